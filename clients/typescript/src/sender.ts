import { setTimeout as sleep } from "node:timers/promises";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { type Frame, type LogRequest, type LogResponse, PipekitError } from "@pipekit/proto";
import type { LogBuffer } from "./buffer.ts";
import { failure, isUnavailable } from "./calls.ts";
import type { Connection } from "./connection.ts";

const FLUSH_MS = 25;
/** Frames sent and not yet acknowledged, at most. */
const WINDOW_FRAMES = 64;
/** A Log stream without work is closed after this long, so that it keeps no process alive. */
const IDLE_MS = 1_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;

/** Whose frames are sent, and from which seq on. */
export interface SenderIdentity {
  readonly runId: string;
  readonly writerId: string;
  /** The seq after the one of the run's first frame. */
  readonly nextSeq: number;
}

interface SentFrame {
  readonly frame: Frame;
  readonly points: number;
  /** Items before its first one. */
  readonly itemsBefore: number;
  readonly settle: ((rejection: PipekitError | undefined) => void) | undefined;
}

/**
 * Sends what a buffer holds over a Log stream, and keeps each frame until the daemon has acknowledged it. When the
 * stream breaks, the daemon is found or started again, and what was not acknowledged is sent again.
 */
export class FrameSender {
  readonly #connection: Connection;
  readonly #identity: SenderIdentity;
  readonly #buffer: LogBuffer;
  readonly #onRejected: (points: number, rejection: PipekitError) => void;
  readonly #closing = new AbortController();
  readonly #waiters = new Set<{ readonly upTo: number; readonly done: () => void }>();
  #window: SentFrame[] = [];
  #stream: ClientDuplexStream<LogRequest, LogResponse> | undefined;
  #opening = false;
  #failedGeneration = 0;
  /** Attempts to open the stream since the last acknowledgement. */
  #failures = 0;
  #nextSeq: number;
  #flushTimer: NodeJS.Timeout | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #lastError: PipekitError | undefined;

  /** `onRejected` hears of refused frames that nobody awaits. */
  constructor(
    connection: Connection,
    identity: SenderIdentity,
    buffer: LogBuffer,
    onRejected: (points: number, rejection: PipekitError) => void,
  ) {
    this.#connection = connection;
    this.#identity = identity;
    this.#buffer = buffer;
    this.#onRejected = onRejected;
    this.#nextSeq = identity.nextSeq;
  }

  /** The last fault on the way to the daemon; undefined once all is well again. */
  get lastError(): PipekitError | undefined {
    return this.#lastError;
  }

  /** Points that are not acknowledged, in the buffer or on their way. */
  get pending(): number {
    return this.#window.reduce((sum, sent) => sum + sent.points, this.#buffer.points);
  }

  /** Items up to this number need nobody's attention any more. */
  get settledUpTo(): number {
    const oldest = this.#window[0];
    return oldest === undefined ? this.#buffer.taken : oldest.itemsBefore;
  }

  /** Calls `done` once the items up to `upTo` are settled; returns the function that forgets it. */
  whenSettled(upTo: number, done: () => void): () => void {
    const waiter = { upTo, done };
    this.#waiters.add(waiter);
    return () => this.#waiters.delete(waiter);
  }

  /** Sends soon: what is logged in the meantime shares a frame. */
  schedule(): void {
    if (this.#flushTimer !== undefined) return;
    this.#flushTimer = setTimeout(() => {
      this.#flushTimer = undefined;
      this.pump();
    }, FLUSH_MS);
  }

  /** Sends what the window has room for. */
  pump(): void {
    if (this.#stream === undefined) {
      void this.#open();
      return;
    }
    clearTimeout(this.#idleTimer);
    const { writerId, runId } = this.#identity;
    while (this.#window.length < WINDOW_FRAMES) {
      const itemsBefore = this.#buffer.taken;
      const packed = this.#buffer.take();
      if (packed === undefined) break;
      const { records, points, awaited } = packed;
      const frame = { writerId, seq: this.#nextSeq, runId, records };
      this.#nextSeq += 1;
      this.#window.push({ frame, points, itemsBefore, settle: awaited?.settle });
      this.#stream.write({ frame });
    }
    if (this.#window.length === 0) {
      this.#idleTimer = setTimeout(() => this.#closeStream(), IDLE_MS).unref();
    }
  }

  /** Stops; what is not sent by then is lost. */
  close(): void {
    this.#closing.abort(new Error("The run writer is closed."));
    clearTimeout(this.#flushTimer);
    this.#closeStream();
  }

  /** Opens the Log stream and sends again what was not acknowledged; tries until it succeeds or the sender closes. */
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
    this.pump();
  }

  #acknowledge({ ackedSeq, rejection }: LogResponse): void {
    this.#failures = 0;
    this.#lastError = undefined;
    const detail = rejection === undefined ? undefined : PipekitError.fromDetail(rejection);
    while (this.#window[0] !== undefined && this.#window[0].frame.seq <= ackedSeq) {
      const [sent] = this.#window.splice(0, 1) as [SentFrame];
      const refused = sent.frame.seq === ackedSeq ? detail : undefined;
      sent.settle?.(refused);
      if (refused !== undefined && sent.settle === undefined) this.#onRejected(sent.points, refused);
    }
    this.pump();
    const settled = this.settledUpTo;
    for (const waiter of this.#waiters) if (settled >= waiter.upTo) waiter.done();
  }

  #closeStream(): void {
    clearTimeout(this.#idleTimer);
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.end();
  }
}
