import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import {
  type Frame,
  type LogRequest,
  type LogResponse,
  PipekitError,
  type Record as RunRecord,
  RunState,
} from "@pipekit/proto";
import { LogBuffer } from "./buffer.ts";
import { type CallSettings, failure, isUnavailable, untilAborted } from "./calls.ts";
import type { Connection } from "./connection.ts";
import { toJson } from "./json.ts";

const FLUSH_MS = 25;
/** Frames sent and not yet acknowledged, at most. */
const WINDOW_FRAMES = 64;
/** A Log stream without work is closed after this long, so that it keeps no process alive. */
const IDLE_MS = 1_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;
const DEFAULT_MAX_POINTS = 1_000_000;
const DEFAULT_WAIT_MS = 30_000;

/** How long to wait. */
export interface WaitSettings extends CallSettings {
  /** Milliseconds until DAEMON_UNAVAILABLE is thrown. Default 30 000. */
  readonly timeoutMs?: number | undefined;
}

/** What a writer writes to. */
export interface WriterIdentity {
  readonly runId: string;
  readonly writerId: string;
  /** The seq after the one of the run's first frame. */
  readonly nextSeq: number;
  /** Points kept while no daemon answers; the oldest are dropped beyond it. Default 1 000 000. */
  readonly maxBufferedPoints?: number | undefined;
}

interface SentFrame {
  readonly frame: Frame;
  readonly points: number;
  /** Items before its first one. */
  readonly itemsBefore: number;
  readonly settle: ((rejection: PipekitError | undefined) => void) | undefined;
}

/**
 * Writes one run. What is logged is buffered, sent every 25 ms or 4096 points, and kept until the daemon has it on
 * disk; when the daemon goes away the writer finds or starts it again and sends what was not acknowledged.
 *
 * With `await using`, a run left without `end()` ends as failed.
 */
export class RunWriter implements AsyncDisposable {
  readonly runId: string;
  readonly #connection: Connection;
  readonly #writerId: string;
  readonly #buffer: LogBuffer;
  readonly #closing = new AbortController();
  readonly #waiters = new Set<{ readonly upTo: number; readonly done: () => void }>();
  #window: SentFrame[] = [];
  #stream: ClientDuplexStream<LogRequest, LogResponse> | undefined;
  #opening = false;
  #failedGeneration = 0;
  /** Attempts to open the stream since the last acknowledgement. */
  #failures = 0;
  #nextSeq: number;
  #nextStep = 0;
  #flushTimer: NodeJS.Timeout | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #ended = false;
  #dropped = 0;
  #rejected = 0;
  #warnAt = 1;
  #lastError: PipekitError | undefined;

  constructor(connection: Connection, identity: WriterIdentity) {
    this.#connection = connection;
    this.runId = identity.runId;
    this.#writerId = identity.writerId;
    this.#nextSeq = identity.nextSeq;
    this.#buffer = new LogBuffer(identity.maxBufferedPoints ?? DEFAULT_MAX_POINTS);
  }

  /** Points lost because the daemon was away for too long. 0 unless the process was warned of it. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Points that the daemon refused. 0 unless the process was warned of it. */
  get rejected(): number {
    return this.#rejected;
  }

  /** The last fault on the way to the daemon; undefined once all is well again. */
  get lastError(): PipekitError | undefined {
    return this.#lastError;
  }

  /**
   * Logs metric values at a step (default: one after the last). Returns at once, does no I/O, and never throws for a
   * fault of the daemon. Throws PipekitError INVALID_METRIC for a value that is not a number, a step that is not a safe
   * integer or a bad key, and RUN_ENDED after `end`.
   */
  log(metrics: Readonly<{ [key: string]: number }>, step: number = this.#nextStep): void {
    this.#mustRun();
    const dropped = this.#buffer.addMetrics(metrics, step, Date.now() * 1000);
    this.#nextStep = step + 1;
    if (dropped > 0) this.#countDropped(dropped);
    this.#schedule();
  }

  /** Adds hyperparameters; nested objects are flattened with dots. Throws INVALID_CONFIG for what JSON cannot hold. */
  logParams(params: Readonly<{ [name: string]: unknown }>): void {
    const paramsJson = toJson(params, "params");
    this.#add({ record: { $case: "params", value: { paramsJson } } }, Buffer.byteLength(paramsJson));
  }

  /** Sets labels; the last value of a name wins. */
  setTags(tags: Readonly<{ [name: string]: string }>): void {
    const bytes = Object.entries(tags).reduce((sum, entry) => sum + Buffer.byteLength(entry.join()) + 8, 0);
    this.#add({ record: { $case: "tags", value: { tags: { ...tags } } } }, bytes);
  }

  /**
   * Attaches a file or folder; resolves once the daemon holds a copy. `name` is a relative path within the run.
   * Throws ARTIFACT_UNREADABLE, INVALID_ARGUMENT, RUN_ENDED, and DAEMON_UNAVAILABLE after the wait.
   */
  async logArtifact(path: string, name: string, wait: WaitSettings = {}): Promise<void> {
    this.#mustRun();
    const value = { name, path: resolve(path), staged: false, files: [], uri: "" };
    await this.#deliver({ record: { $case: "artifact", value } }, wait);
  }

  /**
   * Resolves once everything logged so far is on the daemon's disk. Throws DAEMON_UNAVAILABLE after the wait; what was
   * logged stays buffered and is still sent.
   */
  async flush(wait: WaitSettings = {}): Promise<void> {
    const upTo = this.#buffer.added;
    if (this.#settledUpTo() >= upTo) return;
    const { promise, resolve: done } = Promise.withResolvers<void>();
    const waiter = { upTo, done };
    this.#waiters.add(waiter);
    this.#pump();
    try {
      await this.#bounded(promise, wait);
    } finally {
      this.#waiters.delete(waiter);
    }
  }

  /** Ends the run; resolves once the end is on the daemon's disk. Harmless when it has ended already. */
  async end(
    status: "completed" | "failed" = "completed",
    options: WaitSettings & { readonly reason?: string } = {},
  ) {
    if (this.#ended) return;
    this.#ended = true;
    const state = status === "completed" ? RunState.RUN_STATE_COMPLETED : RunState.RUN_STATE_FAILED;
    const value = { state, reason: options.reason ?? "", endedAtUs: Date.now() * 1000 };
    try {
      await this.#deliver({ record: { $case: "end", value } }, options);
    } finally {
      this.close();
    }
  }

  /** Lets go of the daemon without ending the run; what is not sent by then is lost. `flush` first. */
  close(): void {
    this.#ended = true;
    this.#closing.abort(new Error("The run writer is closed."));
    clearTimeout(this.#flushTimer);
    this.#closeStream();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    try {
      await this.end("failed", { reason: "The scope of the run was left without end()." });
    } catch (error) {
      this.#warn(`The end of run ${this.runId} could not be sent: ${String(error)}`);
    }
  }

  #mustRun(): void {
    if (!this.#ended) return;
    throw new PipekitError("RUN_ENDED", `The run ${this.runId} has ended.`, {
      field: this.runId,
      mend: "Log before end().",
    });
  }

  #add(record: RunRecord, bytes: number): void {
    this.#mustRun();
    this.#buffer.addRecord(record, bytes);
    this.#schedule();
  }

  async #deliver(record: RunRecord, wait: WaitSettings): Promise<void> {
    const { promise, resolve: done, reject } = Promise.withResolvers<void>();
    const settle = (rejection: PipekitError | undefined) => {
      if (rejection === undefined) done();
      else reject(rejection);
    };
    this.#buffer.addAwaited({ record, settle });
    this.#pump();
    promise.catch(() => undefined);
    await this.#bounded(promise, wait);
  }

  async #bounded(
    promise: Promise<void>,
    { signal, timeoutMs = DEFAULT_WAIT_MS }: WaitSettings,
  ): Promise<void> {
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(this.#notDelivered(timeoutMs)), timeoutMs);
    try {
      await untilAborted(
        promise,
        signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]),
      );
    } finally {
      clearTimeout(timer);
    }
  }

  #notDelivered(timeoutMs: number): PipekitError {
    const points = this.#window.reduce((sum, sent) => sum + sent.points, this.#buffer.points);
    const why = this.#lastError === undefined ? "" : ` ${this.#lastError.message}`;
    const message = `The daemon has not acknowledged everything after ${timeoutMs} ms (${points} points wait).${why}`;
    return new PipekitError("DAEMON_UNAVAILABLE", message, {
      mend: this.#lastError?.mend || "Look at `pkx doctor`, then flush again.",
      cause: this.#lastError,
    });
  }

  /** Items up to this number need nobody's attention any more. */
  #settledUpTo(): number {
    const oldest = this.#window[0];
    return oldest === undefined ? this.#buffer.taken : oldest.itemsBefore;
  }

  #schedule(): void {
    if (this.#flushTimer !== undefined) return;
    this.#flushTimer = setTimeout(() => {
      this.#flushTimer = undefined;
      this.#pump();
    }, FLUSH_MS);
  }

  /** Sends what the window has room for. */
  #pump(): void {
    if (this.#stream === undefined) {
      void this.#open();
      return;
    }
    clearTimeout(this.#idleTimer);
    while (this.#window.length < WINDOW_FRAMES) {
      const itemsBefore = this.#buffer.taken;
      const packed = this.#buffer.take();
      if (packed === undefined) break;
      const { records, points, awaited } = packed;
      const frame = { writerId: this.#writerId, seq: this.#nextSeq, runId: this.runId, records };
      this.#nextSeq += 1;
      this.#window.push({ frame, points, itemsBefore, settle: awaited?.settle });
      this.#stream.write({ frame });
    }
    if (this.#window.length === 0) {
      this.#idleTimer = setTimeout(() => this.#closeStream(), IDLE_MS).unref();
    }
  }

  /** Opens the Log stream and sends again what was not acknowledged; tries until it succeeds or the writer closes. */
  async #open(): Promise<void> {
    if (this.#opening) return;
    this.#opening = true;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const pause = this.#failures === 0 ? 0 : Math.min(RETRY_MIN_MS * 2 ** this.#failures, RETRY_MAX_MS);
        // Not referenced: a process with nothing else to do ends rather than wait for a daemon that never comes.
        if (pause > 0) await sleep(pause * (0.5 + Math.random() / 2), undefined, { ref: false, signal });
        this.#failures += 1;
        await this.#connection.ready(this.#failedGeneration, signal);
        this.#attach(this.#connection.services.tracker.log());
        break;
      } catch (error) {
        if (error instanceof PipekitError) this.#lastError = error;
      }
    }
    this.#opening = false;
  }

  #attach(stream: ClientDuplexStream<LogRequest, LogResponse>): void {
    const { generation } = this.#connection;
    this.#stream = stream;
    const lost = (error: unknown) => {
      if (this.#stream !== stream) return;
      this.#stream = undefined;
      const fault = failure(error);
      this.#lastError = fault instanceof PipekitError ? fault : new PipekitError("INTERNAL", String(fault));
      if (isUnavailable(fault)) this.#failedGeneration = generation;
      if (this.#window.length > 0 || !this.#buffer.empty) void this.#open();
    };
    stream.on("data", (answer: LogResponse) => this.#acknowledge(answer));
    stream.on("error", lost);
    stream.on("end", () => lost(new PipekitError("DAEMON_UNAVAILABLE", "The daemon closed the stream.")));
    for (const { frame } of this.#window) stream.write({ frame });
    this.#pump();
  }

  #acknowledge({ ackedSeq, rejection }: LogResponse): void {
    this.#failures = 0;
    this.#lastError = undefined;
    const detail = rejection === undefined ? undefined : PipekitError.fromDetail(rejection);
    while (this.#window[0] !== undefined && this.#window[0].frame.seq <= ackedSeq) {
      const [sent] = this.#window.splice(0, 1) as [SentFrame];
      const refused = sent.frame.seq === ackedSeq ? detail : undefined;
      sent.settle?.(refused);
      if (refused !== undefined && sent.settle === undefined) this.#countRejected(sent.points, refused);
    }
    this.#pump();
    const settled = this.#settledUpTo();
    for (const waiter of this.#waiters) if (settled >= waiter.upTo) waiter.done();
  }

  #closeStream(): void {
    clearTimeout(this.#idleTimer);
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.end();
  }

  #countDropped(points: number): void {
    this.#dropped += points;
    if (this.#dropped < this.#warnAt) return;
    this.#warnAt = this.#dropped * 2;
    this.#warn(
      `${this.#dropped} points of run ${this.runId} were dropped: the buffer is full, as the daemon is away or slower than the loop.`,
    );
  }

  #countRejected(points: number, rejection: PipekitError): void {
    this.#rejected += points;
    this.#warn(
      `The daemon refused records of run ${this.runId} (${points} points in the frame): ${rejection.message}`,
    );
  }

  #warn(message: string): void {
    process.emitWarning(message, { type: "PipekitWarning" });
  }
}
