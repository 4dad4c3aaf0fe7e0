/**
 * Runs in W&B's folders: `offline-run-<time>-<id>/run-<id>.wandb`, and `run-...` of runs that went to a server as well. A run
 * that was resumed offline has a folder for each time; they are one run, as `wandb sync` makes them.
 */
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  type PastRecord,
  type PastRun,
  type RunHistory,
  SourceError,
  sourceFault,
} from "@pipekit/adapters/history";
import { areSilent, filesIn, revisionOf, walkFolders } from "../../history-files.ts";
import { Notes } from "../../notes.ts";
import { logChunks } from "../offline/log-file.ts";
import { parseSpec } from "../spec.ts";
import { type RunHead, readRecord } from "./messages.ts";
import { RunLog } from "./run-log.ts";

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

interface FolderRun extends PastRun {
  readonly files: readonly string[];
}

export class WandbHistory implements RunHistory<FolderRun> {
  readonly #path: string;
  readonly #notes = new Notes();

  /** Of a folder, or of a lone file. */
  constructor(path: string) {
    this.#path = path;
  }

  async *list(signal: AbortSignal): AsyncGenerator<FolderRun> {
    const runs = new Map<string, { readonly head: RunHead; readonly files: string[] }>();
    for (const file of await this.#logs(signal)) {
      const head = await headOf(file, signal);
      if (head === undefined) {
        this.#notes.add(`${file} does not say of which run it is, and is left out.`);
        continue;
      }
      const identity = `wandb/${head.entity}/${head.project}/${head.runId}`;
      const known = runs.get(identity);
      if (known === undefined) runs.set(identity, { head, files: [file] });
      else known.files.push(file);
    }
    for (const [identity, { head, files }] of runs) {
      yield {
        identity,
        id: head.runId,
        name: head.name || head.runId,
        startedAtUs: head.startedAtUs,
        host: head.host,
        place: dirname(files[0] ?? this.#path),
        revision: await revisionOf(files),
        files,
        ...(ULID.test(head.runId) ? { deliveredFrom: head.runId } : {}),
      };
    }
  }

  async *read(run: FolderRun, signal: AbortSignal): AsyncGenerator<PastRecord> {
    const log = new RunLog(this.#notes.add);
    for (const file of run.files) yield* log.read(file, signal);
    yield* log.rest(run.id);
    for (const file of run.files) {
      const folder = dirname(file);
      const prefix =
        run.files.length === 1 ? "files/" : `files/${folder.slice(folder.lastIndexOf("/") + 1)}/`;
      yield* filesIn(join(folder, "files"), folder, prefix, this.#notes.add);
    }
    const end = log.end(run.startedAtUs, await areSilent(run.files));
    if (end !== undefined) yield { kind: "end", end };
  }

  isFedBy(text: string): boolean {
    try {
      const spec = parseSpec(text);
      return spec.mode === "offline" && `${this.#path}/`.startsWith(`${spec.folder}/`);
    } catch {
      return false;
    }
  }

  takeNotes(): readonly string[] {
    return this.#notes.take();
  }

  async close(): Promise<void> {}

  async #logs(signal: AbortSignal): Promise<string[]> {
    try {
      if ((await stat(this.#path)).isFile()) return [this.#path];
      const logs: string[] = [];
      for await (const { path, files } of walkFolders(this.#path, signal)) {
        logs.push(...files.filter(isLog).map((name) => join(path, name)));
      }
      return logs.sort();
    } catch (error) {
      signal.throwIfAborted();
      throw sourceFault(error, this.#path);
    }
  }
}

/** Whether a file's name is that of a run's log. */
export function isLog(name: string): boolean {
  return name.endsWith(".wandb");
}

/** The run that a file begins with. */
async function headOf(file: string, signal: AbortSignal): Promise<RunHead | undefined> {
  let head: RunHead | undefined;
  const visit = (data: Uint8Array): void => {
    if (head !== undefined) return;
    try {
      const record = readRecord(data);
      if (record?.kind === "run") head = record.head;
    } catch {
      // Of a kind that nobody here knows.
    }
  };
  for await (const _ of logChunks(file, visit, signal)) if (head !== undefined) break;
  return head?.runId === "" ? undefined : head;
}

/** Opens a folder or file. Throws SourceError. */
export async function openLogs(path: string): Promise<WandbHistory> {
  await stat(path).catch((error) => Promise.reject(sourceFault(error, path)));
  if (path.endsWith(".wandb") || (await hasLogs(path))) return new WandbHistory(path);
  throw new SourceError(
    `${path} holds no runs of W&B.`,
    "Name the `wandb` folder, one of its `offline-run-...` folders, or a `.wandb` file.",
  );
}

/** Whether a `.wandb` file lies in the folder, or some levels below. */
export async function hasLogs(path: string): Promise<boolean> {
  try {
    for await (const { files } of walkFolders(path, AbortSignal.timeout(10_000)))
      if (files.some(isLog)) return true;
  } catch {
    // Not a folder.
  }
  return false;
}
