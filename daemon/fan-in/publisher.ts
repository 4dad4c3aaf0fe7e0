import { setTimeout as pause } from "node:timers/promises";
import type { MessageStream } from "@pipekit/adapters/stream";
import type { Logger } from "pino";
import type { ForeignJournal, Journal } from "../journal/index.ts";
import { type Parcel, parcels, piecesOf } from "./packing.ts";
import type { Published } from "./published.ts";

const FRAMES_AT_A_TIME = 64;
/** Larger messages cost a server more memory than they save round trips. */
const MESSAGE_BYTES = 512 * 1024;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 15_000;
const SAVE_EVERY_MS = 250;
/** Frames of a quiet journal wait so long for company: ten thousand nodes send to one server. */
const GATHER_MS = 500;

/** What a publisher works with. */
export interface PublisherParts {
  readonly journal: Pick<Journal, "onCommit">;
  /** Opens our own journal for reading as another's. */
  readonly openFrames: () => Promise<Pick<ForeignJournal, "frames" | "close">>;
  readonly stream: MessageStream;
  readonly published: Published;
  readonly log: Logger;
}

/**
 * Publishes the journal, frame by frame in its order, each message after the one before is stored: so the frames of a writer
 * stand in the stream in their order, whatever fails meanwhile. Frames of runs that are pruned before are not published.
 */
export class Publisher {
  readonly #parts: PublisherParts;
  readonly #stopped = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #bell = Promise.withResolvers<void>();
  #savedMs = Number.NEGATIVE_INFINITY;
  #rung = false;
  #caughtUp = false;
  #quiet = Promise.withResolvers<void>();
  /** Why nothing is taken for now; empty when all is well. */
  trouble = "";

  constructor(parts: PublisherParts) {
    this.#parts = parts;
  }

  start(): void {
    const stop = this.#parts.journal.onCommit(() => {
      this.#caughtUp = false;
      this.#rung = true;
      this.#bell.resolve();
    });
    this.#running = this.#run().finally(stop);
  }

  /** Waits until all is published, at most `timeoutMs`. */
  async whenPublished(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const until = performance.now() + timeoutMs;
    while (!this.#caughtUp && !this.#stopped.signal.aborted) {
      const left = until - performance.now();
      if (left <= 0) return;
      const over = new AbortController();
      const either = AbortSignal.any([signal, over.signal]);
      await Promise.race([
        this.#quiet.promise,
        pause(left, undefined, { signal: either }).catch(() => undefined),
      ]);
      over.abort();
      signal.throwIfAborted();
    }
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#bell.resolve();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log, published } = this.#parts;
    const { signal } = this.#stopped;
    let pauseMs = FIRST_PAUSE_MS;
    let frames: Pick<ForeignJournal, "frames" | "close"> | undefined;
    while (!signal.aborted) {
      try {
        frames ??= await this.#parts.openFrames();
        await this.#round(frames, signal);
        pauseMs = FIRST_PAUSE_MS;
      } catch (err) {
        if (signal.aborted) break;
        this.#tell(err instanceof Error ? err.message : String(err));
        await pause(pauseMs, undefined, { signal }).catch(() => undefined);
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      }
    }
    await frames?.close();
    await published
      .save()
      .catch((err: unknown) => log.warn({ err }, "how far the journal is published is not kept"));
  }

  async #round(frames: Pick<ForeignJournal, "frames">, signal: AbortSignal): Promise<void> {
    const { published, stream } = this.#parts;
    this.#bell = Promise.withResolvers<void>();
    this.#rung = false;
    const next = await frames.frames(published.position, FRAMES_AT_A_TIME);
    if (next.length === 0) {
      await this.#save();
      if (!this.#rung) this.#tellQuiet();
      await this.#bell.promise;
      await pause(GATHER_MS, undefined, { signal });
      return;
    }
    const largest = await stream.maxBytes(signal);
    for (const parcel of parcels(next, published, Math.min(MESSAGE_BYTES, largest))) {
      await this.#publish(parcel, largest, signal);
      published.advance(parcel.upTo, parcel.seqs);
    }
    if (performance.now() - this.#savedMs > SAVE_EVERY_MS) await this.#save();
  }

  /** Publishes until it is stored. */
  async #publish({ id, body }: Parcel, largest: number, signal: AbortSignal): Promise<void> {
    const { stream, published } = this.#parts;
    const pieces = piecesOf(body, largest);
    for (const [i, piece] of pieces.entries()) {
      const part = { number: i + 1, of: pieces.length };
      const message = { source: published.source, id: `${id}.${part.number}`, part, body: piece };
      for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
        const result = await stream.publish(message, signal);
        if (result.status === "ok") break;
        this.#tell(result.reason);
        // Many daemons wait for one server: they do not come back at one moment.
        await pause(pauseMs * (0.5 + Math.random() / 2), undefined, { signal });
      }
    }
    if (this.trouble !== "") this.#parts.log.info({}, "frames are published again");
    this.trouble = "";
  }

  #tellQuiet(): void {
    this.#caughtUp = true;
    this.#quiet.resolve();
    this.#quiet = Promise.withResolvers<void>();
  }

  async #save(): Promise<void> {
    await this.#parts.published.save();
    this.#savedMs = performance.now();
  }

  #tell(reason: string): void {
    if (this.trouble !== reason)
      this.#parts.log.warn({ reason }, "frames are not published; they wait in the journal");
    this.trouble = reason;
  }
}
