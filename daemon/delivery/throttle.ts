import { type Clock, sleep } from "./clock.ts";
import type { Answer, Caller, Job, Outcome } from "./exchange.ts";

/** Spaces the calls of all runs to one endpoint: a token bucket that holds one second's worth. */
export class Throttle implements Caller {
  readonly #inner: Caller;
  readonly #clock: Clock;
  /** Calls per second; Infinity when unlimited. */
  rate = Number.POSITIVE_INFINITY;
  /** When the bucket is full again, by the clock. */
  #fullAt = 0;

  constructor(inner: Caller, clock: Clock) {
    this.#inner = inner;
    this.#clock = clock;
  }

  async call<R extends Answer>(job: Job<R>, signal: AbortSignal): Promise<Outcome<R>> {
    const delay = this.#takeToken();
    if (delay > 0) await sleep(this.#clock, delay, signal);
    return this.#inner.call(job, signal);
  }

  /** Milliseconds until the token may be used. */
  #takeToken(): number {
    if (!(this.rate < Number.POSITIVE_INFINITY)) return 0;
    const now = this.#clock.now();
    const interval = 1000 / this.rate;
    // A rate below one call a second still has a bucket of one.
    const bucketMs = Math.max(1000, interval);
    this.#fullAt = Math.max(this.#fullAt, now) + interval;
    return Math.max(0, this.#fullAt - bucketMs - now);
  }
}
