import type { GroupMember, SeriesSummary } from "@pipekit/proto";
import type { Fault } from "./faults.ts";
import type {
  AppendResult,
  CommittedGroup,
  Cursor,
  DeadLetterEntry,
  DeadLetterQuery,
  JournalSnapshot,
  JournalTotals,
  LostFrames,
  MemberEntry,
  NewDeadLetter,
  PruneCandidate,
  PruneQuery,
  ReadSinkEntry,
  RunEntry,
  RunQuery,
  SinkBacklog,
  SinkEntry,
} from "./journal.ts";

/** What the workers answer to, and what travels with it. Every value is structured-cloned or transferred. */

/** Which worker a thread is. */
export type Role = "writer" | "reader" | "foreign" | "snapshot";

/** `workerData` of a journal worker. */
export interface WorkerSetup {
  readonly role: Role;
  /** Absolute path of the journal file. */
  readonly file: string;
  /** When the state folder was restored from a backup, unix microseconds; undefined when it never was. */
  readonly restoredAtUs?: number | undefined;
}

/** A table of calls: the name of each with its arguments and its answer. */
export type CallTable = { readonly [kind: string]: { readonly args: unknown; readonly answer: unknown } };

/** One call of a table as it is posted to the worker. */
export type CallOf<C extends CallTable> = {
  [K in keyof C]: { readonly id: number; readonly kind: K; readonly args: C[K]["args"] };
}[keyof C];

/** One answer: the value, or why there is none. */
export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly fault: Fault };

/** What a worker posts: answers, and the runs that a commit changed. */
export interface WorkerReport {
  readonly answers: readonly Answer[];
  readonly touched: readonly string[];
  /** Those of them that the commit resumed. */
  readonly resumed?: readonly string[];
  /** What was committed. */
  readonly group?: CommittedGroup;
  /** Frames that were acknowledged after the backup that the folder was restored from. */
  readonly gaps?: readonly LostFrames[];
  /** What went wrong with work that nobody waits for. */
  readonly trouble?: Fault;
}

/** Numbers for each key in SeriesSums.stats: points, last step, last value, minimum, maximum (NaN: none). */
export const STATS_PER_KEY = 5;

/** Sums of a frame's points by key. */
export interface SeriesSums {
  readonly keys: readonly string[];
  /** STATS_PER_KEY numbers a key. */
  readonly stats: Float64Array;
}

/** What the writer must know of a frame; the body stays opaque to it, so that it never decodes protobuf. */
export interface FrameFacts {
  readonly runId: string;
  readonly writerId: string;
  readonly seq: number;
  /** True when it holds no records. */
  readonly empty: boolean;
  readonly points: number;
  readonly start?: StartFacts;
  readonly resume?: ResumeFacts;
  readonly end?: {
    readonly state: "completed" | "failed";
    readonly reason: string;
    readonly endedAtUs: number;
    /** True when the frame holds nothing else. */
    readonly alone: boolean;
    /** Writer id of the member that ended; undefined when the record names none. */
    readonly member?: string;
  };
  readonly tags: readonly Pair[];
  /** Flattened; values as JSON text. */
  readonly params: readonly Pair[];
  /** One JSON text an artifact. */
  readonly artifacts: readonly string[];
  readonly series: SeriesSums;
}

/** The start record. */
export interface StartFacts {
  /** As JSON with a fixed order of fields: equal text means equal content. */
  readonly json: string;
  readonly name: string;
  readonly startedAtUs: number;
  readonly tags: readonly Pair[];
  readonly member?: GroupMember;
}

/** The resume record. */
export interface ResumeFacts {
  /** A Resumption as JSON with a fixed order of fields. */
  readonly json: string;
  /** ULID of who wrote it: an end of an older writer does not end the run, however late it comes. */
  readonly writerId: string;
}

/** Name and value. */
export type Pair = readonly [name: string, value: string];

/** The writes that stand in the writer's queue together are committed together. */
export type WriteCalls = {
  append: {
    args: {
      readonly facts: FrameFacts;
      readonly body: Uint8Array;
      readonly sinks: readonly string[];
      readonly onlyBehind?: number | undefined;
      readonly afterEnd?: boolean | undefined;
    };
    answer: AppendResult;
  };
  saveSink: {
    args: {
      readonly sink: SinkEntry;
      readonly deadLetters: readonly NewDeadLetter[];
      readonly settled: readonly number[];
    };
    answer: SinkEntry["state"];
  };
  addSinks: {
    args: { readonly runId: string; readonly specs: readonly string[] };
    answer: readonly SinkEntry[];
  };
  prune: { args: string; answer: null };
};

/** Small questions that the writer's thread answers between two commits. */
export type LookupCalls = {
  lastSeq: { args: string; answer: number };
  run: { args: string; answer: RunEntry };
  series: { args: string; answer: readonly SeriesSummary[] };
  /** Undefined when there are too many for a small question. */
  fewOpenSinks: { args: null; answer: readonly ReadSinkEntry[] | undefined };
  sinks: { args: string; answer: readonly ReadSinkEntry[] };
  members: { args: string; answer: readonly MemberEntry[] };
  totals: { args: null; answer: Omit<JournalTotals, "bytes"> };
  /** Undefined when there are too many sinks for a small question. */
  fewBacklog: { args: null; answer: readonly SinkBacklog[] | undefined };
};

/** Every worker can be told to finish and end. */
export type CloseCall = { close: { args: null; answer: null } };

/** Calls of the writer's thread. */
export type WriterCalls = WriteCalls & LookupCalls & CloseCall & { open: { args: null; answer: null } };

/** Which points of which run a scan takes. */
export interface ScanRange {
  readonly runId: string;
  readonly keys: readonly string[];
  readonly fromStep: number;
  readonly toStep: number;
  /** Frames up to this position. */
  readonly upTo: number;
}

/** Points of one series. */
export interface PointColumns {
  readonly key: string;
  readonly steps: BigInt64Array<ArrayBuffer>;
  readonly values: Float64Array<ArrayBuffer>;
  readonly timesUs: BigInt64Array<ArrayBuffer>;
}

/** How many points of a key lie in a range. */
export interface KeyCount {
  readonly key: string;
  readonly points: number;
}

/** Questions that read much; the reader's thread answers them. */
export type ReaderCalls = {
  runs: { args: RunQuery; answer: readonly RunEntry[] };
  openSinks: { args: null; answer: readonly ReadSinkEntry[] };
  sinksOf: { args: readonly string[]; answer: readonly ReadSinkEntry[] };
  backlog: { args: null; answer: readonly SinkBacklog[] };
  deadLetters: { args: DeadLetterQuery; answer: readonly DeadLetterEntry[] };
  prunable: { args: PruneQuery; answer: readonly PruneCandidate[] };
  contentInUse: { args: null; answer: readonly string[] };
  /** Frames after the cursor, until they hold `maxPoints` items behind it. */
  frames: {
    args: { readonly runId: string; readonly cursor: Cursor; readonly maxPoints: number };
    answer: readonly { readonly position: number; readonly body: Uint8Array }[];
  };
  /** The snapshot that a read of metrics works on, and how many points it will find. */
  plan: {
    args: Omit<ScanRange, "upTo">;
    answer: { readonly upTo: number; readonly counts: readonly KeyCount[] };
  };
  /** All points of the range in frames after `after`, until about `maxPoints` are found; `position`: how far it came. */
  page: {
    args: { readonly range: ScanRange; readonly after: number; readonly maxPoints: number };
    answer: {
      readonly chunks: readonly PointColumns[];
      readonly position: number;
      readonly more: boolean;
    };
  };
  /** The range down-sampled to at most `maxPoints` a key. */
  sample: {
    args: { readonly range: ScanRange; readonly counts: readonly KeyCount[]; readonly maxPoints: number };
    answer: readonly PointColumns[];
  };
};

/** Questions about another daemon's journal, which a thread of its own answers. */
export type ForeignCalls = {
  open: { args: null; answer: null };
  run: { args: string; answer: RunEntry };
  sinks: { args: string; answer: readonly ReadSinkEntry[] };
  frames: {
    args: { readonly after: number; readonly most: number };
    answer: readonly { readonly position: number; readonly body: Uint8Array }[];
  };
};

/** Copying the journal, which a thread of its own does. */
export type SnapshotCalls = {
  /** Absolute path of the new file. */
  take: { args: string; answer: JournalSnapshot };
  /** Breaks off what is under way. */
  stop: { args: null; answer: null };
};
