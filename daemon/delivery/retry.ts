import { backoffMs } from "./backoff.ts";
import { type Clock, sleep } from "./clock.ts";
import {
  type Answer,
  type Caller,
  type Job,
  type JobName,
  type Outcome,
  type Setback,
  setbackOf,
} from "./exchange.ts";
import type { Limits } from "./limits.ts";

/** Times that one waits at the breaker's word before it is no longer expected to have its try soon. */
const TOLD_TIMES = 4;

/** What retrying asks of its surroundings. */
export interface RetryParts {
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: Limits;
  /** Wakes a waiting call early when the endpoint answers again; returns the undo. */
  readonly onRecovered: (wake: () => void) => () => void;
  /** Told of each setback, with the time of the next try by the clock. */
  readonly onSetback: (setback: Setback, retryAtMs: number) => void;
}

/**
 * The patience of one sink of one run. After a setback the next call waits first: as long as the tool said, else by
 * exponential backoff with full jitter. Never gives up, except on a call that threw many times in a row, which is a
 * defect that waiting does not mend: that becomes permanent.
 */
export class Retry implements Caller {
  readonly #inner: Caller;
  readonly #parts: RetryParts;
  readonly #failures = new Map<JobName, { setbacks: number; throws: number }>();
  #untilMs = 0;
  /** How often in a row the breaker has asked to wait. */
  #told = 0;
  /** False when the tool itself named the time: then nothing shortens the wait. */
  #mayCut = true;
  #wake: (() => void) | undefined;

  constructor(inner: Caller, parts: RetryParts) {
    this.#inner = inner;
    this.#parts = parts;
  }

  /** `fresh` before a try; `told` when the breaker asked to wait, a few times in a row; `over` after a setback, or more. */
  get patience(): "fresh" | "told" | "over" {
    if (this.#untilMs <= this.#parts.clock.now()) return "fresh";
    return this.#told > 0 && this.#told <= TOLD_TIMES ? "told" : "over";
  }

  /** Waits until the next call may be made. */
  async pause(signal: AbortSignal): Promise<void> {
    const left = this.#untilMs - this.#parts.clock.now();
    const cut = (wake: () => void) => {
      const undo = this.#parts.onRecovered(wake);
      this.#wake = wake;
      return () => {
        undo();
        this.#wake = undefined;
      };
    };
    if (left > 0) await sleep(this.#parts.clock, left, signal, this.#mayCut ? cut : undefined);
    this.#untilMs = 0;
  }

  /** Ends the wait, since a person asks for a try; not when the tool itself named the time. */
  hurry(): void {
    if (!this.#mayCut) return;
    this.#untilMs = 0;
    this.#wake?.();
  }

  async call<R extends Answer>(job: Job<R>, signal: AbortSignal): Promise<Outcome<R>> {
    if (this.#untilMs > 0) job.wait?.();
    await this.pause(signal);
    const answer = await this.#inner.call(job, signal);
    const setback = setbackOf(answer);
    if (setback === undefined) {
      this.#told = 0;
      this.#failures.delete(job.name);
      return answer;
    }
    const count = this.#count(job.name, setback, answer.status === "partial");
    if (count.throws >= this.#parts.limits.throws) {
      this.#failures.delete(job.name);
      return { status: "permanent", reason: setback.reason };
    }
    this.#mayCut = setback.cause === "breaker" || setback.afterMs === undefined;
    this.#told = setback.cause === "breaker" ? this.#told + 1 : 0;
    this.#untilMs = this.#parts.clock.now() + this.#delay(setback, count.setbacks);
    this.#parts.onSetback(setback, this.#untilMs);
    return answer;
  }

  #count(job: JobName, setback: Setback, progress: boolean): { setbacks: number; throws: number } {
    const before = this.#failures.get(job) ?? { setbacks: 0, throws: 0 };
    // The breaker's word is no failure of this sink, and a part taken is a new beginning.
    const setbacks = progress ? 1 : before.setbacks + (setback.cause === "breaker" ? 0 : 1);
    const throws =
      setback.cause === "throw" ? before.throws + 1 : setback.cause === "breaker" ? before.throws : 0;
    const count = { setbacks, throws };
    this.#failures.set(job, count);
    return count;
  }

  #delay(setback: Setback, setbacks: number): number {
    const { limits, random } = this.#parts;
    const jittered = backoffMs(Math.max(1, setbacks), limits.backoffBaseMs, limits.backoffCapMs, random);
    const told = setback.afterMs;
    if (told === undefined || !(told >= 0)) return jittered;
    // Those who were told one time spread a little behind it.
    const spread = random() * limits.backoffBaseMs;
    if (setback.cause === "breaker") return told + spread;
    return Math.max(Math.min(told, limits.longestAfterMs) + spread, jittered);
  }
}
