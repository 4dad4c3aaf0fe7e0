import type {
  Artifact,
  Frame,
  MetricColumns,
  Record,
  RunResume,
  RunStart,
  SeriesSummary,
} from "@pipekit/proto";

/**
 * The journal: the daemon's durable, ordered store of records, and the store of record.
 *
 * Architecture Invariant: nothing outside this folder knows that the journal is SQLite.
 * Architecture Invariant: `append` resolves only after the frame is on disk (fsync); before that nobody sees it.
 */
export interface Journal {
  /**
   * Appends a frame, grouped with others into one commit. A frame with a seq seen before is `duplicate`.
   * A frame may have no records: it stands for one whose records were all rejected, so that its seq is used up.
   * A resume record makes an ended run a running one, and its sinks that were done open again, in the same commit. So does
   * the start of a member of the group that writes the run, which adds `sinks` to it. A group's run ends when its members
   * have; a frame of one that has not, while newer writers of its rank have, comes into the run that has ended.
   * In a restored journal a writer may leave one gap: frames that were acknowledged after the backup.
   * Throws PipekitError: INVALID_FRAME (gap in seq, writer of another run), RUN_NOT_FOUND (no start
   * yet), RUN_EXISTS (another start), RUN_ENDED (also when it was pruned), RUN_PRUNED (a resume), STORAGE_FULL,
   * CORRUPT_JOURNAL.
   * The caller has checked the records (columns, JSON) and turned artifacts into content-store files.
   * `sinks` are the canonical specs of the run's sinks; they count only when the frame starts the run, or joins it.
   * With `onlyBehind` the frame is `overtaken`, and not written, unless the run's last frame is at that position still.
   * With `afterEnd` a run that has ended takes it, too, and stays ended: what the daemon itself has to say of the run.
   */
  append(
    frame: Frame,
    sinks: readonly string[],
    onlyBehind?: number,
    afterEnd?: boolean,
  ): Promise<AppendResult>;
  /** Seq of the last frame of a writer that is on disk; 0 when there is none. */
  lastSeq(writerId: string): Promise<number>;
  /** One run by id or unique prefix of 8 characters or more. Throws RUN_NOT_FOUND, REF_AMBIGUOUS. */
  run(idOrPrefix: string): Promise<RunEntry>;
  /** Newest first. `before` is the run id after which to go on. */
  runs(query: RunQuery): Promise<readonly RunEntry[]>;
  /** Summaries of the series of a run, sorted by key. */
  series(runId: string): Promise<readonly SeriesSummary[]>;
  /**
   * Streams points of the chosen series in journal order; down-sampled when `maxPoints` > 0 (min and max kept).
   * Throws RUN_NOT_FOUND, RUN_PRUNED, CORRUPT_JOURNAL (a frame is not what was journaled).
   */
  readMetrics(query: MetricQuery): AsyncIterable<SeriesChunk>;
  /** As `readMetrics`, with the position behind which `newMetrics` goes on without a gap or a repeat. Throws the same. */
  metricSnapshot(query: MetricQuery): Promise<MetricSnapshot>;
  /** Points of the frames behind a position, up to about `maxPoints`. Throws what `readMetrics` throws. */
  newMetrics(query: TailQuery): Promise<NewMetrics>;
  /**
   * Records of a run after `cursor`, in order, up to about `maxPoints` points; empty when there is nothing new.
   * Throws RUN_NOT_FOUND, RUN_PRUNED, CORRUPT_JOURNAL (a frame is not what was journaled).
   */
  readRecords(runId: string, cursor: Cursor, maxPoints: number): Promise<readonly CursorRecord[]>;
  /** Sinks that are not done, refused ones among them, for the restart: O(runs), not O(points). */
  openSinks(): Promise<readonly ReadSinkEntry[]>;
  /** Sorted by spec. Throws RUN_NOT_FOUND. */
  sinks(runId: string): Promise<readonly ReadSinkEntry[]>;
  /** The writers of a group's run, by rank, the oldest of a rank first; none for another run. Throws RUN_NOT_FOUND. */
  members(runId: string): Promise<readonly MemberEntry[]>;
  /** The sinks of many runs with one question; a run that is unknown or has none has an empty list. */
  sinksOf(runIds: readonly string[]): Promise<ReadonlyMap<string, readonly ReadSinkEntry[]>>;
  /**
   * Durably moves a sink's cursor together with everything else known of the sink and its new dead letters, and
   * forgets those of its dead letters that have the ids `settled`: they were sent once more. Resolves to the state that
   * was saved: `idle` in place of `done` when the run was resumed meanwhile, so that there is more to send.
   */
  saveSink(
    sink: SinkEntry,
    deadLetters: readonly NewDeadLetter[],
    settled?: readonly number[],
  ): Promise<SinkEntry["state"]>;
  /**
   * Adds sinks to a run, running or ended, with their cursors at the start; a sink that the run has is left as it is.
   * A run whose records were pruned takes no new one. Answers with the sinks named, each once, as they are now.
   * Throws RUN_NOT_FOUND, INVALID_ARGUMENT, STORAGE_FULL.
   */
  addSinks(runId: string, specs: readonly string[]): Promise<readonly SinkEntry[]>;
  /** Oldest first, with ids larger than `afterId`. */
  deadLetters(query: DeadLetterQuery): Promise<readonly DeadLetterEntry[]>;
  totals(): Promise<JournalTotals>;
  /** What open sinks have still to take, by scheme and state. */
  backlog(): Promise<readonly SinkBacklog[]>;
  /**
   * Runs that ended before `endedBeforeUs` (all ended ones when Infinity), the oldest first, with what pruning them would
   * free. Runs that are pruned, running or unknown are not among them.
   */
  prunable(query: PruneQuery): Promise<readonly PruneCandidate[]>;
  /**
   * Forgets the frames of an ended run and keeps its row, series summaries, params and tags. Looks again, in the
   * same transaction, that every sink has taken everything and that there is no dead letter: else INVALID_ARGUMENT.
   * Throws RUN_NOT_FOUND, INVALID_ARGUMENT, STORAGE_FULL; pruning it twice is harmless. Done when it is on disk; space
   * is given back to the file system afterwards, in small steps that do not hold up commits, also after a restart.
   */
  prune(runId: string): Promise<void>;
  /**
   * Digests of all content files that the records of runs which are not pruned name. A file that is stored and not yet
   * journaled is not among them.
   */
  contentInUse(): Promise<ReadonlySet<string>>;
  /** Called with the runs that a commit added frames to, at most once a tick; returns the stop function. */
  onCommit(listener: (runIds: ReadonlySet<string>) => void): () => void;
  /** Called with the runs that a commit resumed, before the listeners of `onCommit`; returns the stop function. */
  onResume(listener: (runIds: ReadonlySet<string>) => void): () => void;
  /** Waits for pending commits, then closes. */
  close(): Promise<void>;
}

/** What a copy of the journal holds. */
export interface JournalSnapshot {
  readonly runs: number;
  readonly points: number;
  /** What `contentInUse` says at that moment. */
  readonly content: readonly string[];
}

/** Frames of a writer that were acknowledged after a backup, and are not there since its restore. */
export interface LostFrames {
  readonly runId: string;
  readonly writerId: string;
  /** First and last seq. */
  readonly from: number;
  readonly to: number;
}

export type AppendResult = "appended" | "duplicate" | "overtaken";

/** What the last resume record of a run says. */
export interface Resumption extends RunResume {
  /** ULID of who wrote it. */
  readonly writerId: string;
}

export interface RunEntry {
  readonly runId: string;
  readonly start: RunStart;
  /** Undefined for a run that was never resumed. */
  readonly resume: Resumption | undefined;
  readonly state: "running" | "completed" | "failed";
  readonly reason: string;
  readonly endedAtUs: number;
  readonly points: number;
  /** Labels, merged. */
  readonly tags: Readonly<{ [name: string]: string }>;
  /** Params logged after the start, flattened, values as JSON text. */
  readonly params: Readonly<{ [name: string]: string }>;
  /** Also those of a pruned run, whose files may be gone. */
  readonly artifacts: readonly Artifact[];
  /** Position of the run's last frame. */
  readonly lastPosition: number;
  /** When its records were pruned, unix microseconds; 0 when they are there. */
  readonly prunedAtUs: number;
}

/** One writer of the run of a group. */
export interface MemberEntry {
  readonly writerId: string;
  readonly rank: number;
  readonly start: RunStart;
  readonly state: "running" | "completed" | "failed";
  readonly reason: string;
  /** Unix microseconds; 0 while it writes. */
  readonly endedAtUs: number;
  /** When its last frame was journaled, unix microseconds. */
  readonly seenAtUs: number;
}

export interface RunQuery {
  readonly limit: number;
  readonly before?: string;
  readonly state?: RunEntry["state"];
  readonly nameContains?: string;
  /** Only runs of this group. */
  readonly group?: string;
}

export interface MetricQuery {
  readonly runId: string;
  /** Empty for all keys. */
  readonly keys: readonly string[];
  readonly fromStep?: number;
  readonly toStep?: number;
  /** 0 for all points, else at least 4. */
  readonly maxPoints: number;
}

/** The points of a run up to a position. */
export interface MetricSnapshot {
  readonly position: number;
  readonly chunks: AsyncIterable<SeriesChunk>;
}

/** Which points come next. */
export interface TailQuery {
  readonly runId: string;
  /** Empty for all keys. */
  readonly keys: readonly string[];
  /** Position up to which all is known. */
  readonly after: number;
  readonly maxPoints: number;
}

/** What came behind a position; `pointsInRange` of each chunk is its length. */
export interface NewMetrics {
  readonly chunks: readonly SeriesChunk[];
  /** Up to which they reach. */
  readonly position: number;
  /** Whether there was more than was asked for. */
  readonly more: boolean;
}

export interface SeriesChunk {
  readonly key: string;
  readonly steps: BigInt64Array;
  readonly values: Float64Array;
  readonly timesUs: BigInt64Array;
  readonly pointsInRange: number;
}

/**
 * How far a sink has taken a run: all frames up to `position`, and the first `offset` items of the run's next frame.
 * An item is a metric point, or one record of another kind.
 */
export interface Cursor {
  readonly position: number;
  readonly offset: number;
}

export const CURSOR_START: Cursor = { position: 0, offset: 0 };

/** A record (or the rest of one) with the cursor that stands behind each of its items. */
export interface CursorRecord {
  readonly record: Record;
  /** Position of its frame. */
  readonly position: number;
  /** Items of the frame before this record. */
  readonly itemsBefore: number;
  /** Items of this record to skip: taken already. */
  readonly skip: number;
  /** True for the last record of its frame. */
  readonly last: boolean;
}

/** All that is known of one sink of one run. */
export interface SinkEntry {
  readonly runId: string;
  /** Canonical spec. */
  readonly spec: string;
  readonly cursor: Cursor;
  readonly state: "idle" | "sending" | "retrying" | "done" | "refused";
  readonly pointsSent: number;
  readonly pointsDead: number;
  readonly lastError: string;
  readonly retryAtUs: number;
  readonly remoteId: string;
  readonly remoteUrl: string;
  /** -1 until reconciled. */
  readonly pointsShown: number;
  readonly notes: readonly string[];
  /** The adapter's own memory, JSON. */
  readonly memo: Readonly<{ [name: string]: unknown }>;
}

/** A sink as `sinks` and `openSinks` read it. */
export interface ReadSinkEntry extends SinkEntry {
  /** When the oldest frame behind the cursor was journaled, unix microseconds; 0 when there is none. */
  readonly pendingSinceUs: number;
}

/** Which dead letters: all that fit every member given. */
export interface DeadLetterQuery {
  /** RUN_NOT_FOUND when there is no such run. */
  readonly runId?: string;
  readonly spec?: string;
  readonly ids?: readonly number[];
  readonly afterId?: number;
  readonly limit: number;
}

export interface PruneQuery {
  readonly endedBeforeUs: number;
  /** Empty for all. */
  readonly runIds: readonly string[];
}

export interface PruneCandidate {
  readonly run: RunEntry;
  readonly sinks: readonly SinkEntry[];
  readonly deadLetters: number;
  /** Bytes of its frames. */
  readonly journalBytes: number;
}

export interface NewDeadLetter {
  readonly runId: string;
  readonly spec: string;
  readonly kind: string;
  readonly points: number;
  readonly reason: string;
  /** Where the refused items stand in the journal, so that they can be re-driven. */
  readonly from: Cursor;
  readonly to: Cursor;
}

export interface DeadLetterEntry extends NewDeadLetter {
  readonly id: number;
  readonly atUs: number;
}

export interface JournalTotals {
  /** Of the journal file and its log. */
  readonly bytes: number;
  /** Frames that are there: those of pruned runs are not. */
  readonly frames: number;
  /** Points journaled, those of pruned runs among them. */
  readonly points: number;
  readonly runs: number;
  readonly runsRunning: number;
  readonly pointsPending: number;
  readonly deadLetters: number;
}

/** The open sinks of one scheme that are in one state. */
export interface SinkBacklog {
  /** Such as `mlflow+http`. */
  readonly scheme: string;
  readonly state: SinkEntry["state"];
  readonly sinks: number;
  /** Points journaled and not yet taken. */
  readonly points: number;
  /** When the oldest frame behind their cursors was journaled, unix microseconds; 0 when there is none. */
  readonly pendingSinceUs: number;
}

/** What one commit brought, and what it took. */
export interface CommittedGroup {
  readonly frames: number;
  readonly points: number;
  /** Of the frames. */
  readonly bytes: number;
  /** Of the whole transaction. */
  readonly seconds: number;
  /** Of its end, which waits for the disk (fsync). */
  readonly syncSeconds: number;
}

/** The process that writes a run, and since when: the one that resumed it last, else the one that started it. */
export function writingProcess({ start, resume }: Pick<RunEntry, "start" | "resume">): {
  readonly pid: number;
  readonly host: string;
  readonly sinceUs: number;
} {
  const { pid, host } = resume ?? start;
  return { pid, host, sinceUs: resume?.resumedAtUs ?? start.startedAtUs };
}

/** Number of delivery items in a record: its points, or 1. */
export function itemCount(record: Record): number {
  return record.record?.$case === "metrics" ? columnsLength(record.record.value) : 1;
}

function columnsLength(columns: MetricColumns): number {
  return columns.values.length / 8;
}
