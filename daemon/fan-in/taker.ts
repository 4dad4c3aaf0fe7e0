import { setTimeout as pause } from "node:timers/promises";
import { type IncomingMessage, type MessageStream, StreamFault } from "@pipekit/adapters/stream";
import type { Logger } from "pino";
import { Bodies, type Body } from "./bodies.ts";
import type { FrameTaker } from "./frame-taker.ts";
import type { Parking } from "./parking.ts";

/** Messages that are being journaled at a time, of all sources. */
const AT_A_TIME = 64;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 15_000;
/** A frame whose writer has frames before it on their way comes again after this. */
const EARLY_MS = 1000;

/** What a taker works with. */
export interface TakerParts {
  readonly stream: MessageStream;
  readonly frames: FrameTaker;
  readonly parking: Parking;
  readonly log: Logger;
  /** How soon something is tried again at first, milliseconds. */
  readonly firstPauseMs?: number;
}

/**
 * Takes frames from a stream into the journal, and acknowledges each message once its frames are on disk. Messages of one
 * source are taken in their order, those of others beside them, so that they share commits. What comes twice is known by
 * writer and seq; what comes before its time comes again.
 */
export class Taker {
  readonly #parts: TakerParts;
  readonly #stopped = new AbortController();
  readonly #bodies = new Bodies();
  /** The last body of each source that is being taken. */
  readonly #taking = new Map<string, Promise<void>>();
  #count = 0;
  #room = Promise.withResolvers<void>();
  #running: Promise<void> = Promise.resolve();
  /** Why nothing comes for now; empty when all is well. */
  trouble = "";

  constructor(parts: TakerParts) {
    this.#parts = parts;
  }

  get #firstMs(): number {
    return this.#parts.firstPauseMs ?? FIRST_PAUSE_MS;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#room.resolve();
    await this.#running;
    await Promise.all(this.#taking.values());
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    for (let pauseMs = this.#firstMs; !signal.aborted; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        for await (const message of this.#parts.stream.messages(signal)) {
          this.trouble = "";
          pauseMs = this.#firstMs;
          await this.#hasRoom(signal);
          if (signal.aborted) return;
          this.#add(message);
        }
      } catch (err) {
        if (signal.aborted) return;
        const reason = err instanceof StreamFault ? err.message : String(err);
        if (this.trouble !== reason) this.#parts.log.warn({ reason }, "no frames come; tried again");
        this.trouble = reason;
      }
      await pause(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #hasRoom(signal: AbortSignal): Promise<void> {
    while (this.#count >= AT_A_TIME && !signal.aborted) {
      this.#room = Promise.withResolvers<void>();
      await this.#room.promise;
    }
  }

  #add(message: IncomingMessage): void {
    const body = this.#bodies.add(message);
    if (body === undefined) return;
    this.#count++;
    const before = this.#taking.get(message.source) ?? Promise.resolve();
    const taken = before
      .then(() => this.#take(body))
      .finally(() => {
        this.#count--;
        if (this.#taking.get(message.source) === taken) this.#taking.delete(message.source);
        this.#room.resolve();
      });
    this.#taking.set(message.source, taken);
  }

  /** Takes a body, trying for as long as the journal cannot. Does not throw. */
  async #take({ messages, frames }: Body): Promise<void> {
    const { signal } = this.#stopped;
    const { parking, log } = this.#parts;
    for (let pauseMs = this.#firstMs; !signal.aborted; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        if (frames === undefined) await parking.park(messages);
        else if ((await this.#parts.frames.take(frames, signal)) === "early") {
          for (const message of messages) message.again(EARLY_MS);
          return;
        }
        for (const message of messages) message.done();
        return;
      } catch (err) {
        if (signal.aborted) return;
        log.warn({ err }, "frames that came are not journaled yet");
        for (const message of messages) message.working();
        await pause(pauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}
