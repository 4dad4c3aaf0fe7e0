/**
 * The seam between importing and the tools whose runs are brought here: a history lists the runs that a tool keeps and reads
 * each as records, in an order that stays the same as long as the run only grows.
 *
 * A history knows neither the journal nor what was taken before, changes nothing at its source, and reads no file outside of
 * it: a store that somebody else made could name any.
 */
import type { AdapterContext } from "./tracker.ts";

/** How a run ended. */
export interface PastEnd {
  readonly state: "completed" | "failed";
  readonly reason: string;
  /** Unix microseconds. */
  readonly endedAtUs: number;
}

/** A run as its source lists it. */
export interface PastRun {
  /** Names the run wherever its store lies or is moved to, such as `mlflow/<its uuid>`. */
  readonly identity: string;
  /** Its id in the tool. */
  readonly id: string;
  readonly name: string;
  /** Unix microseconds. */
  readonly startedAtUs: number;
  /** Host that wrote it; empty when unknown. */
  readonly host: string;
  /** Where a person finds it: an address or a path. */
  readonly place: string;
  /** A text that changes when the run does; empty when only reading it tells. */
  readonly revision: string;
  /** Id of the run of ours that was delivered there, when it is one. */
  readonly deliveredFrom?: string;
}

/** Values of one moment, in the order of `keys`. Rows with equal keys should share the array. */
export interface PastRow {
  readonly keys: readonly string[];
  readonly step: number;
  /** Unix microseconds. */
  readonly timeUs: number;
  readonly values: readonly number[];
}

/** A fact of a run. */
export type PastRecord =
  | { readonly kind: "params"; readonly params: Readonly<Record<string, unknown>> }
  | { readonly kind: "tags"; readonly tags: Readonly<Record<string, string>> }
  /** Valid until the next record is asked for; some thousands at a time. */
  | { readonly kind: "rows"; readonly rows: readonly PastRow[] }
  /** A file or folder within the source. */
  | { readonly kind: "file"; readonly name: string; readonly path: string }
  /** Content that lies elsewhere and is not read. */
  | { readonly kind: "uri"; readonly name: string; readonly uri: string }
  /** The last record of a run that has ended. */
  | { readonly kind: "end"; readonly end: PastEnd };

/** An opened source. Nothing of it is held in memory but the run at hand. */
export interface RunHistory<R extends PastRun = PastRun> {
  /** All runs, in an order that stays the same. Throws SourceError. */
  list(signal: AbortSignal): AsyncIterable<R>;
  /** One run that was just listed. Throws SourceError when it cannot be read, which is no word on the others. */
  read(run: R, signal: AbortSignal): AsyncIterable<PastRecord>;
  /** Whether what is sent to a tracker spec gets to where these runs lie. */
  isFedBy(spec: string): boolean;
  /** What cannot be carried, one sentence each; each is returned once. */
  takeNotes(): readonly string[];
  close(): Promise<void>;
}

/** The reading of one tool's runs. */
export interface HistoryReader {
  /** Whether a file or folder looks like this tool's. */
  recognises(path: string): Promise<boolean>;
  /** Opens a spec, or an absolute path. Throws SourceError, SpecError. */
  open(source: string, context: AdapterContext, signal: AbortSignal): Promise<RunHistory>;
}

/** A kind of source, loaded when it is first used: most daemons never import. */
export interface HistoryKind {
  /** Name of the tool, such as `mlflow`. */
  readonly tool: string;
  /** Schemes of its specs, without `:`. */
  readonly schemes: readonly string[];
  readonly load: () => Promise<HistoryReader>;
}

/** A source that does not exist, cannot be read, or is not what it is taken for. The message is one sentence. */
export class SourceError extends Error {
  readonly mend: string;
  constructor(message: string, mend: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SourceError";
    this.mend = mend;
  }
}

/** What the operating system says of a file of a source, as a SourceError; anything else is thrown on. */
export function sourceFault(thrown: unknown, path: string): SourceError {
  if (thrown instanceof SourceError) return thrown;
  if (!(thrown instanceof Error) || !("code" in thrown) || typeof thrown.code !== "string") throw thrown;
  const why =
    thrown.code === "ENOENT" || thrown.code === "ENOTDIR"
      ? "does not exist"
      : thrown.code === "EACCES" || thrown.code === "EPERM"
        ? "may not be read by the daemon's user"
        : `cannot be read (${thrown.code})`;
  return new SourceError(
    `${path} ${why}.`,
    "Name a path that the daemon's user can read on the daemon's host.",
    {
      cause: thrown,
    },
  );
}
