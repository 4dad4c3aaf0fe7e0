/**
 * Gathers what belongs into a backup, while the daemon goes on. Where order matters:
 *
 * - `spool/` comes before the journal: a frame that moves meanwhile is in both, and its seq keeps it from counting twice.
 * - `staging/` comes behind the spool, whose frames name files in it.
 * - Files of artifacts are those that the copied journal names; no sweep runs between the copy and the second name that
 *   each gets. No file of content or registry is ever changed, so a second name is a copy.
 * - In the registry nothing is replaced or removed while its files get second names, but what is new may come: so tags
 *   are before the models, which are whole before a tag leads to them. A model counts when it has metadata.json, which is
 *   written last.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { unlessMissing } from "@pipekit/adapters/file-faults";
import { hashAndSync } from "@pipekit/adapters/files";
import type { Logger } from "pino";
import type { ContentStore } from "../content/index.ts";
import { type JournalSnapshot, snapshotJournal } from "../journal/index.ts";
import { type BackupFile, JOURNAL } from "./form.ts";
import { LINKS } from "./marks.ts";
import type { Packing } from "./packing.ts";
import { filesUnder, linkInto } from "./tree.ts";

/** Folders of a registry that tell of work in progress, and its lock, which must not be opened. */
const AT_WORK = /^(?:_leases|_gc|_tmp)(?:\/|$)|^_lock\.sqlite/;
const MODEL = /^([0-9a-f]{64})\//;

/** Where it is gathered from. */
export interface Origin {
  readonly stateFolder: string;
  readonly content: Pick<ContentStore, "pathOf" | "unswept">;
  /** Runs work while nothing of the default registry is replaced or removed. */
  readonly withModelsHeld: <T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T>;
  readonly log: Logger;
}

export class Gathering {
  readonly #origin: Origin;
  readonly #packing: Packing;
  readonly #signal: AbortSignal;
  readonly notes: string[] = [];

  constructor(origin: Origin, packing: Packing, signal: AbortSignal) {
    this.#origin = origin;
    this.#packing = packing;
    this.#signal = signal;
  }

  /** Files that others still write to: copied as far as they are. */
  async changing(folder: string): Promise<void> {
    const others: string[] = [];
    const files = await filesUnder(join(this.#origin.stateFolder, folder), undefined, others);
    for (const other of others) this.notes.push(`${other} is no regular file, and left out.`);
    for (const { path, source } of files) await this.#packing.copy(source, `${folder}/${path}`);
  }

  /** The journal, and second names of the files that it names: `take` packs those. */
  async journal(): Promise<JournalSnapshot> {
    const { stateFolder, content, log } = this.#origin;
    const target = this.#packing.pathOf(JOURNAL);
    const snapshot = await content.unswept(async () => {
      const copied = await snapshotJournal(stateFolder, target, log, this.#signal);
      for (const sha256 of copied.content) {
        const path = content.pathOf(sha256);
        if (!(await linkInto(path, join(stateFolder, LINKS, path.slice(stateFolder.length)))))
          this.notes.push(`${path}, a file of a run, is missing in the state folder.`);
      }
      return copied;
    });
    this.#packing.add({ path: JOURNAL, ...(await hashAndSync(target, this.#signal)) });
    return snapshot;
  }

  /** Second names of all that is whole in the default registry. */
  async models(): Promise<void> {
    const root = join(this.#origin.stateFolder, "models");
    const links = join(this.#origin.stateFolder, LINKS, "models");
    await this.#origin.withModelsHeld(async () => {
      const own = await filesUnder(root, (path) => path.startsWith("_") && !AT_WORK.test(path));
      for (const { path, source } of own) await linkInto(source, join(links, path));
      const files = await filesUnder(root, (path) => !path.startsWith("_"));
      const whole = new Set(files.map(({ path }) => path).filter((path) => path.endsWith("/metadata.json")));
      for (const { path, source } of files) {
        const hash = MODEL.exec(path)?.[1];
        if (hash === undefined || whole.has(`${hash}/metadata.json`))
          await linkInto(source, join(links, path));
      }
    }, this.#signal);
  }

  /** Packs what has second names. */
  async linked(): Promise<void> {
    const files = await filesUnder(join(this.#origin.stateFolder, LINKS));
    await this.#packing.linkAll(files, (file) => this.#check(file));
  }

  /** The audit log, up to its last whole entry. */
  async audit(): Promise<void> {
    const folder = join(this.#origin.stateFolder, "audit");
    for (const { path, source } of await filesUnder(folder)) {
      const bytes = await readFile(source).catch(unlessMissing);
      const whole = bytes?.subarray(0, bytes.lastIndexOf(10) + 1);
      if (whole === undefined || whole.length === 0) continue;
      await this.#packing.write(`audit/${path}`, whole);
    }
  }

  /** The name of a file of an artifact is its digest. */
  #check({ path, sha256 }: BackupFile): void {
    if (!path.startsWith("content/") || path.replace(/^content\/sha256|\//g, "") === sha256) return;
    this.notes.push(`${join(this.#origin.stateFolder, path)} is damaged: it is not what its name says.`);
  }
}
