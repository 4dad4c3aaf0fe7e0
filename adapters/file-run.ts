/** What adapters that write a run into a file of their own share: the file with its memo, setbacks, and notes. */
import { type AppendFile, sizeOf } from "./append-file.ts";
import { FileRefusal, fileSetback } from "./file-faults.ts";
import { Notes } from "./notes.ts";
import type { AdapterMemo, RetryResult, SinkRun } from "./tracker.ts";

/** A file that is open for a run, and what is known of it. */
export interface OpenFile<M> {
  readonly file: AppendFile;
  readonly memo: M;
}

/** Finds the file of a run again; what someone else did to it is mended as far as it can be, and noted. */
export type Resume<M> = (run: SinkRun, memo: M) => Promise<OpenFile<M>>;

/** More than a person reads, and than delivery keeps. */
const MOST_NOTES = 200;

/** The file of one run, between opening and closing. */
export class FileRun<M extends AdapterMemo> {
  readonly #folder: string;
  readonly #notes = new Notes(MOST_NOTES);
  /** Notes a sentence, once. */
  readonly note = this.#notes.add;
  #run: SinkRun | undefined;
  /** Undefined when it was let go, since someone else changed it. */
  #file: AppendFile | undefined;
  #memo: M | undefined;
  #changed = false;

  /** `folder` is what faults are told of when they name no path. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The run that is open, and what is settled of it. */
  get current(): { readonly run: SinkRun; readonly memo: M } {
    if (this.#run === undefined || this.#memo === undefined)
      throw new Error("The adapter must be opened first.");
    return { run: this.#run, memo: this.#memo };
  }

  opened(run: SinkRun, { file, memo }: OpenFile<M>): void {
    this.#run = run;
    this.#file = file;
    this.#memo = memo;
    this.#changed = false;
  }

  /** The file as it was left. What someone else did to it is found here, before each write. */
  async ready(resume: Resume<M>): Promise<OpenFile<M>> {
    const { run, memo } = this.current;
    const file = this.#file;
    if (file !== undefined && (await file.look()) === "whole") return { file, memo };
    this.#file = undefined;
    file?.close();
    const again = await resume(run, memo);
    this.#file = again.file;
    this.remember(again.memo);
    return again;
  }

  /** What is settled from now on. */
  remember(memo: M): void {
    this.#memo = memo;
    this.#changed = true;
  }

  takeMemo(): AdapterMemo | undefined {
    if (!this.#changed || this.#memo === undefined) return undefined;
    this.#changed = false;
    return this.#memo;
  }

  takeNotes(): readonly string[] {
    return this.#notes.take();
  }

  /** Makes a call; faults of the file system and aborts become setbacks. */
  async guard<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T | RetryResult> {
    try {
      signal.throwIfAborted();
      return await call();
    } catch (error) {
      if (!signal.aborted) return fileSetback(error, this.#folder);
      return { status: "retry", reason: "The call was ended before the files were written." };
    }
  }

  close(): void {
    this.#file?.close();
    this.#run = undefined;
    this.#file = undefined;
    this.#memo = undefined;
  }
}

/** Makes a call that writes to a file just opened; the file is closed when it fails. */
export async function orClose<T>(file: AppendFile, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    file.close();
    throw error;
  }
}

/** A folder that has vanished since may be a disk that is not mounted: to make it would hide that. */
export async function demandFolder(folder: string): Promise<void> {
  if ((await sizeOf(folder)) !== undefined) return;
  throw new FileRefusal(`The folder ${folder}, where the run was written, is gone; mount or make it.`);
}
