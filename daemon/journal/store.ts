import { stat } from "node:fs/promises";
import { Frame, PipekitError, type SeriesSummary } from "@pipekit/proto";
import type { Logger } from "pino";
import { frameFacts } from "./facts.ts";
import { corrupt } from "./faults.ts";
import type {
  AppendResult,
  Cursor,
  CursorRecord,
  DeadLetterEntry,
  DeadLetterQuery,
  Journal,
  JournalTotals,
  MemberEntry,
  MetricQuery,
  MetricSnapshot,
  NewDeadLetter,
  NewMetrics,
  PruneCandidate,
  PruneQuery,
  ReadSinkEntry,
  RunEntry,
  RunQuery,
  SeriesChunk,
  SinkBacklog,
  SinkEntry,
  TailQuery,
} from "./journal.ts";
import { WorkerLink } from "./link.ts";
import type { CloseCall, ReaderCalls, WriterCalls } from "./messages.ts";
import { metricSnapshot, newMetrics } from "./metrics.ts";
import type { JournalOptions } from "./options.ts";
import { recordsBehind } from "./records.ts";

/** The reader's thread is given back after this long without a question, milliseconds: it costs about 10 MB. */
const READER_IDLE_MS = 30_000;

type Listener = (runIds: ReadonlySet<string>) => void;

/** The journal's main-thread half: turns calls into messages to the writer and the reader. */
export class SqliteJournal implements Journal {
  readonly #file: string;
  readonly #log: Logger;
  readonly #writer: WorkerLink<WriterCalls>;
  readonly #reader: WorkerLink<ReaderCalls & CloseCall>;
  readonly #listeners = new Set<Listener>();
  readonly #resumeListeners = new Set<Listener>();
  #touched = new Set<string>();
  #resumed = new Set<string>();

  constructor(file: string, { log, onGroup, restored }: Omit<JournalOptions, "stateFolder">) {
    this.#file = file;
    this.#log = log;
    this.#writer = new WorkerLink({
      setup: { role: "writer", file, restoredAtUs: restored?.atUs },
      onGap: restored?.onGap,
      log,
      onTouched: (runIds, resumed) => this.#touch(runIds, resumed),
      ...(onGroup && { onGroup }),
    });
    this.#reader = new WorkerLink({ setup: { role: "reader", file }, log, idleMs: READER_IDLE_MS });
  }

  /** Opens the file, makes it when there is none. Throws CORRUPT_JOURNAL, STORAGE_FULL, UNSAFE_FOLDER. */
  async open(): Promise<void> {
    await this.#writer.call("open", null);
  }

  async append(
    frame: Frame,
    sinks: readonly string[],
    onlyBehind?: number,
    afterEnd?: boolean,
  ): Promise<AppendResult> {
    const facts = frameFacts(frame);
    const body = Frame.encode(frame).finish();
    // The encoder gives memory that nobody else uses: it moves to the writer without a copy.
    const transfer = body.buffer instanceof ArrayBuffer ? [body.buffer, facts.series.stats.buffer] : [];
    return this.#writer.call(
      "append",
      { facts, body, sinks, onlyBehind, afterEnd },
      transfer as ArrayBuffer[],
    );
  }

  lastSeq(writerId: string): Promise<number> {
    return this.#writer.call("lastSeq", writerId);
  }

  run(idOrPrefix: string): Promise<RunEntry> {
    return this.#writer.call("run", idOrPrefix);
  }

  runs(query: RunQuery): Promise<readonly RunEntry[]> {
    return this.#reader.call("runs", query);
  }

  series(runId: string): Promise<readonly SeriesSummary[]> {
    return this.#writer.call("series", runId);
  }

  async *readMetrics(query: MetricQuery): AsyncGenerator<SeriesChunk> {
    const { chunks } = await this.metricSnapshot(query);
    yield* chunks;
  }

  metricSnapshot(query: MetricQuery): Promise<MetricSnapshot> {
    return metricSnapshot(this.#reader, query);
  }

  newMetrics(query: TailQuery): Promise<NewMetrics> {
    return newMetrics(this.#reader, query);
  }

  async readRecords(runId: string, cursor: Cursor, maxPoints: number): Promise<readonly CursorRecord[]> {
    const frames = await this.#reader.call("frames", { runId, cursor, maxPoints });
    try {
      return recordsBehind(cursor, frames);
    } catch (error) {
      const { code, message, ...options } = corrupt(`a frame of run ${runId} cannot be read`, this.#file);
      throw new PipekitError(code, message, { ...options, cause: error });
    }
  }

  async openSinks(): Promise<readonly ReadSinkEntry[]> {
    // Most daemons have few: then the reader's thread need not start.
    return (await this.#writer.call("fewOpenSinks", null)) ?? this.#reader.call("openSinks", null);
  }

  sinks(runId: string): Promise<readonly ReadSinkEntry[]> {
    return this.#writer.call("sinks", runId);
  }

  members(runId: string): Promise<readonly MemberEntry[]> {
    return this.#writer.call("members", runId);
  }

  async sinksOf(runIds: readonly string[]): Promise<ReadonlyMap<string, readonly ReadSinkEntry[]>> {
    const sinks = runIds.length === 0 ? [] : await this.#reader.call("sinksOf", runIds);
    const byRun = new Map<string, ReadSinkEntry[]>(runIds.map((runId) => [runId, []]));
    for (const sink of sinks) byRun.get(sink.runId)?.push(sink);
    return byRun;
  }

  async saveSink(
    sink: SinkEntry,
    deadLetters: readonly NewDeadLetter[],
    settled: readonly number[] = [],
  ): Promise<SinkEntry["state"]> {
    return this.#writer.call("saveSink", { sink, deadLetters, settled });
  }

  addSinks(runId: string, specs: readonly string[]): Promise<readonly SinkEntry[]> {
    return this.#writer.call("addSinks", { runId, specs });
  }

  deadLetters(query: DeadLetterQuery): Promise<readonly DeadLetterEntry[]> {
    return this.#reader.call("deadLetters", query);
  }

  prunable(query: PruneQuery): Promise<readonly PruneCandidate[]> {
    return this.#reader.call("prunable", query);
  }

  async prune(runId: string): Promise<void> {
    await this.#writer.call("prune", runId);
  }

  async contentInUse(): Promise<ReadonlySet<string>> {
    return new Set(await this.#reader.call("contentInUse", null));
  }

  async totals(): Promise<JournalTotals> {
    const [totals, file, log] = await Promise.all([
      this.#writer.call("totals", null),
      sizeOf(this.#file),
      sizeOf(`${this.#file}-wal`),
    ]);
    return { ...totals, bytes: file + log };
  }

  async backlog(): Promise<readonly SinkBacklog[]> {
    return (await this.#writer.call("fewBacklog", null)) ?? this.#reader.call("backlog", null);
  }

  onCommit(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  onResume(listener: Listener): () => void {
    this.#resumeListeners.add(listener);
    return () => {
      this.#resumeListeners.delete(listener);
    };
  }

  async close(): Promise<void> {
    // The writer is last: the last connection to close moves the write-ahead log into the file.
    await this.#reader.close();
    await this.#writer.close();
  }

  #touch(runIds: readonly string[], resumed: readonly string[]): void {
    if (this.#touched.size === 0) setImmediate(() => this.#tell());
    for (const runId of runIds) this.#touched.add(runId);
    for (const runId of resumed) this.#resumed.add(runId);
  }

  #tell(): void {
    const [resumed, touched] = [this.#resumed, this.#touched];
    this.#resumed = new Set();
    this.#touched = new Set();
    if (resumed.size > 0) this.#tellEach(this.#resumeListeners, resumed);
    this.#tellEach(this.#listeners, touched);
  }

  #tellEach(listeners: ReadonlySet<Listener>, runIds: ReadonlySet<string>): void {
    for (const listener of listeners) {
      try {
        listener(runIds);
      } catch (error) {
        this.#log.error({ err: error }, "a listener of the journal failed");
      }
    }
  }
}

/** Bytes of a file; 0 when there is none. */
async function sizeOf(path: string): Promise<number> {
  const info = await stat(path).catch(() => undefined);
  return info?.size ?? 0;
}
