/** A state folder as a daemon keeps it, made in this process, and backups of it. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { undisturbed } from "@pipekit/adapters/local";
import { type BackupSource, makeBackup, restoreBackup } from "../../daemon/backup/index.ts";
import { type ContentStore, openContentStore } from "../../daemon/content/index.ts";
import { type Journal, openJournal } from "../../daemon/journal/index.ts";
import { frame, metrics, newId, SILENT, start } from "../journal/fixture.ts";

export const HASH = "a".repeat(64);
export const NEVER = new AbortController().signal;

export class BackupRoom {
  readonly home: string;
  readonly stateFolder: string;
  readonly journal: Journal;
  readonly content: ContentStore;

  /** A folder with a run, an artifact, a tagged model, a spool file and an audit log whose last entry is torn. */
  static async open(): Promise<BackupRoom> {
    const home = mkdtempSync(join(tmpdir(), "pkx-"));
    const stateFolder = join(home, "state");
    mkdirSync(stateFolder);
    const journal = await openJournal({ stateFolder, log: SILENT });
    const content = await openContentStore({ stateFolder });
    const room = new BackupRoom(home, stateFolder, journal, content);
    await room.#fill();
    return room;
  }

  private constructor(home: string, stateFolder: string, journal: Journal, content: ContentStore) {
    this.home = home;
    this.stateFolder = stateFolder;
    this.journal = journal;
    this.content = content;
  }

  async close(): Promise<void> {
    await this.journal.close();
    rmSync(this.home, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  write(path: string, text: string): void {
    const file = join(this.stateFolder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  get source(): BackupSource {
    const { stateFolder, content } = this;
    return {
      ...{ stateFolder, content, log: SILENT, version: "1.2.3", configFile: join(this.home, "config.yaml") },
      withModelsHeld: (work, signal) => undisturbed(join(stateFolder, "models"), work, signal),
    };
  }

  /** Makes a backup of this name beside the state folder, and returns its path. */
  async backUp(name: string, signal = NEVER): Promise<string> {
    const path = join(this.home, name);
    await makeBackup(this.source, { path, includeConfig: false }, () => undefined, signal);
    return path;
  }

  /** Restores into a new folder of this name, and returns its path. */
  async restore(backup: string, name: string): Promise<string> {
    const stateFolder = join(this.home, name);
    mkdirSync(stateFolder, { recursive: true });
    await restoreBackup(
      { backup, stateFolder, delivers: true, onChecked: () => undefined, decide: () => undefined },
      NEVER,
    );
    return stateFolder;
  }

  async #fill(): Promise<void> {
    const runId = newId();
    const writerId = newId();
    const text = "an artifact";
    const file = { path: "", sha256: createHash("sha256").update(text).digest("hex"), size: text.length };
    this.write("loose/artifact", text);
    await this.content.ingest(join(this.stateFolder, "loose/artifact"), { staged: false }, NEVER);
    rmSync(join(this.stateFolder, "loose"), { recursive: true });
    const value = { name: "a", path: "", staged: false, files: [file], uri: "" };
    await this.journal.append(frame(runId, writerId, 1, start()), []);
    const artifact = { record: { $case: "artifact", value } } as const;
    await this.journal.append(frame(runId, writerId, 2, metrics({ loss: [1, 2, 3] }), artifact), []);
    for (const name of ["operator.yaml", "weights.bin", "metadata.json"])
      this.write(`models/${HASH}/${name}`, name);
    this.write(`models/${"b".repeat(64)}/weights.bin`, "a model that is being stored");
    this.write("models/_tags/production.txt", HASH);
    this.write("models/_leases/x.json", "{}");
    this.write(`spool/${newId()}.frames`, "frames");
    this.write("audit/000000000000001.jsonl", '{"seq":1}\n{"seq":2}\n{"se');
    this.write("cache/scratch/x", "x");
    this.write("token", "s3cret");
    this.write("bridge.json", "{}");
  }
}
