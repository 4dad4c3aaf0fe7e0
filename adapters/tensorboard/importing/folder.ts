/**
 * Runs in folders of event files, as TensorBoard sees them: each folder with event files is a run, named by its path below
 * the one that was given; its files are read in the order of their names, whoever wrote them.
 */
import { stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { type PastRecord, type PastRun, type RunHistory, sourceFault } from "@pipekit/adapters/history";
import { areSilent, revisionOf, walkFolders } from "../../history-files.ts";
import { Notes } from "../../notes.ts";
import { recordChunks } from "../record-file.ts";
import { folderOf } from "../spec.ts";
import { EventReader } from "./events.ts";
import { Reading } from "./reading.ts";

const CHUNK_BYTES = 512 * 1024;
/** Files that our own adapter wrote carry the run's id: see ../places.ts. */
const OURS = /\.0\.([0-7][0-9A-HJKMNP-TV-Z]{25})\.(?:points|hparams)$/;

export function isEventFile(name: string): boolean {
  return name.includes("events.out.tfevents.") && !name.endsWith(".profile-empty");
}

interface EventRun extends PastRun {
  readonly files: readonly string[];
}

export class EventHistory implements RunHistory<EventRun> {
  /** The folder that was named; of a lone file, its own. */
  readonly #root: string;
  readonly #only: string | undefined;
  readonly #notes = new Notes();

  constructor(root: string, only?: string) {
    this.#root = root;
    this.#only = only;
  }

  async *list(signal: AbortSignal): AsyncGenerator<EventRun> {
    try {
      for await (const { path, files } of walkFolders(this.#root, signal)) {
        const events = files.filter((name) =>
          this.#only === undefined ? isEventFile(name) : name === this.#only,
        );
        if (events.length > 0) yield await this.#listed(path, events, signal);
        if (this.#only !== undefined) return;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw sourceFault(error, this.#root);
    }
  }

  async *read(run: EventRun, signal: AbortSignal): AsyncGenerator<PastRecord> {
    const reading = new Reading();
    for (const file of run.files) {
      const size = (await stat(file).catch((error) => Promise.reject(sourceFault(error, file)))).size;
      const chunks = recordChunks(file, (data) => reading.add(data), signal, CHUNK_BYTES);
      let whole: number | undefined;
      while (whole === undefined) {
        const { done, value } = await chunks
          .next()
          .catch((error) => Promise.reject(sourceFault(error, file)));
        if (done) whole = value;
        yield* reading.taken();
      }
      if (whole < size)
        this.#notes.add(`${file} is torn or damaged behind byte ${whole}; what follows is left out.`);
    }
    for (const sentence of reading.notes(run.id)) this.#notes.add(sentence);
    const { ended, lastUs } = reading;
    if (ended !== undefined) {
      const endedAtUs = ended.seconds > 0 ? Math.round(ended.seconds * 1e6) : lastUs;
      yield { kind: "end", end: { state: ended.failed ? "failed" : "completed", reason: "", endedAtUs } };
    } else if (await areSilent(run.files)) {
      yield { kind: "end", end: { state: "completed", reason: "", endedAtUs: lastUs || run.startedAtUs } };
    }
  }

  isFedBy(spec: string): boolean {
    try {
      const folder = folderOf(spec);
      return folder === this.#root || !relative(folder, this.#root).startsWith("..");
    } catch {
      return false;
    }
  }

  takeNotes(): readonly string[] {
    return this.#notes.take();
  }

  async close(): Promise<void> {}

  async #listed(folder: string, names: readonly string[], signal: AbortSignal): Promise<EventRun> {
    const files = names.map((name) => join(folder, name));
    const [first = ""] = files;
    const id = relative(this.#root, folder) || basename(folder);
    const startedAtUs = await firstTimeUs(first, signal);
    const deliveredFrom = names.map((name) => OURS.exec(name)?.[1]).find((found) => found !== undefined);
    return {
      // TensorBoard gives no ids: the first file's name has a time, a host and a process, and moves with the folder.
      identity: `tensorboard/${basename(folder)}/${basename(first)}/${startedAtUs}`,
      id,
      name: id,
      startedAtUs,
      host: /tfevents\.\d+\.(.+?)\.\d+\.\d+/.exec(basename(first))?.[1] ?? "",
      place: folder,
      revision: await revisionOf(files),
      files,
      ...(deliveredFrom === undefined ? {} : { deliveredFrom }),
    };
  }
}

/** Time of the first event, unix microseconds; that of the file when it has none yet. */
async function firstTimeUs(file: string, signal: AbortSignal): Promise<number> {
  let first: number | undefined;
  const reader = new EventReader();
  const visit = (data: Buffer): void => {
    try {
      first ??= reader.read(data).timeUs;
    } catch {
      first ??= 0;
    }
  };
  for await (const _ of recordChunks(file, visit, signal, 4096)) if (first !== undefined) break;
  return first || Number(/tfevents\.(\d{1,12})\./.exec(basename(file))?.[1] ?? 0) * 1e6;
}

/** Opens a folder, or the folder of a lone event file. Throws SourceError. */
export async function openEvents(path: string): Promise<EventHistory> {
  const found = await stat(path).catch((error) => Promise.reject(sourceFault(error, path)));
  return found.isFile() ? new EventHistory(dirname(path), basename(path)) : new EventHistory(path);
}
