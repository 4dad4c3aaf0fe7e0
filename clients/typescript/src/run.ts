import { resolve } from "node:path";
import { PipekitError, type Record as RunRecord, RunState, settling, unlessAborted } from "@pipekit/proto";
import { LogBuffer } from "./buffer.ts";
import type { CallSettings } from "./calls.ts";
import type { Connection } from "./connection.ts";
import { toJson } from "./json.ts";
import { FrameSender, type SenderIdentity } from "./sender.ts";

const DEFAULT_MAX_POINTS = 1_000_000;
const DEFAULT_WAIT_MS = 30_000;

/** How long to wait. */
export interface WaitSettings extends CallSettings {
  /** Milliseconds until DAEMON_UNAVAILABLE is thrown. Default 30 000. */
  readonly timeoutMs?: number | undefined;
}

/** What a writer writes to. */
export interface WriterIdentity extends SenderIdentity {
  /** Points kept while no daemon answers; the oldest are dropped beyond it. Default 1 000 000. */
  readonly maxBufferedPoints?: number | undefined;
  /** Step of the first `log` that names none. Default 0. */
  readonly nextStep?: number | undefined;
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
  readonly #buffer: LogBuffer;
  readonly #sender: FrameSender;
  #nextStep: number;
  #ended = false;
  #dropped = 0;
  #rejected = 0;
  #warnAt = 1;

  constructor(connection: Connection, identity: WriterIdentity) {
    this.runId = identity.runId;
    this.#connection = connection;
    this.#nextStep = identity.nextStep ?? 0;
    this.#buffer = new LogBuffer(identity.maxBufferedPoints ?? DEFAULT_MAX_POINTS);
    this.#sender = new FrameSender(connection, identity, this.#buffer, (points, rejection) =>
      this.#countRejected(points, rejection),
    );
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
    return this.#sender.lastError;
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
    this.#sender.schedule();
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
   * Throws ARTIFACT_UNREADABLE, INVALID_ARGUMENT (also for a daemon on another host), RUN_ENDED, and DAEMON_UNAVAILABLE
   * after the wait.
   */
  async logArtifact(path: string, name: string, wait: WaitSettings = {}): Promise<void> {
    this.#mustRun();
    if (this.#connection.remote) {
      throw new PipekitError("INVALID_ARGUMENT", "A daemon on another host cannot read files of this one.", {
        field: "path",
        mend: "Store the file where the daemon's users find it, and note its address with setTags().",
      });
    }
    const value = { name, path: resolve(path), staged: false, files: [], uri: "" };
    await this.#deliver({ record: { $case: "artifact", value } }, wait);
  }

  /**
   * Resolves once everything logged so far is on the daemon's disk. Throws DAEMON_UNAVAILABLE after the wait; what was
   * logged stays buffered and is still sent.
   */
  async flush(wait: WaitSettings = {}): Promise<void> {
    const upTo = this.#buffer.added;
    if (this.#sender.settledUpTo >= upTo) return;
    const { promise, resolve: done } = settling<void>();
    const forget = this.#sender.whenSettled(upTo, done);
    this.#sender.pump();
    try {
      await this.#bounded(promise, wait);
    } finally {
      forget();
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
    this.#sender.close();
  }

  /** Ends a run that was left open, as failed. */
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
    this.#sender.schedule();
  }

  async #deliver(record: RunRecord, wait: WaitSettings): Promise<void> {
    const { promise, resolve: done, reject } = settling<void>();
    const settle = (rejection: PipekitError | undefined) => {
      if (rejection === undefined) done();
      else reject(rejection);
    };
    this.#buffer.addAwaited({ record, settle });
    this.#sender.pump();
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
      await unlessAborted(
        promise,
        signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]),
      );
    } finally {
      clearTimeout(timer);
    }
  }

  #notDelivered(timeoutMs: number): PipekitError {
    const { lastError, pending } = this.#sender;
    const why = lastError === undefined ? "" : ` ${lastError.message}`;
    const message = `The daemon has not acknowledged everything after ${timeoutMs} ms (${pending} points wait).${why}`;
    return new PipekitError("DAEMON_UNAVAILABLE", message, {
      mend: lastError?.mend || "Look at `pkx doctor`, then flush again.",
      cause: lastError,
    });
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
