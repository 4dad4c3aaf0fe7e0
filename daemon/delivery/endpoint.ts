import { Breaker } from "./breaker.ts";
import type { Clock } from "./clock.ts";
import type { Answer, Caller, Job, Outcome } from "./exchange.ts";
import type { Limits } from "./limits.ts";
import { Throttle } from "./throttle.ts";
import { Turns, takingTurns } from "./turns.ts";

/** What all sinks with one endpoint and credential share: seats; and turns, breaker and throttle, in this order. */
export class Endpoint implements Caller {
  /** Sessions of ended runs that may be open at one time: a session can hold a MiB, and thousands of runs may wait. */
  readonly seats: Turns;
  readonly #throttle: Throttle;
  readonly #breaker: Breaker;
  readonly #outermost: Caller;

  constructor(clock: Clock, random: () => number, limits: Limits) {
    this.seats = new Turns(limits.seats);
    this.#throttle = new Throttle({ call: (job, signal) => job.run(signal) }, clock);
    this.#breaker = new Breaker(this.#throttle, clock, random, limits);
    this.#outermost = takingTurns(this.#breaker, clock, limits);
  }

  /** Whether it was given up for now, and is only probed. */
  get isOpen(): boolean {
    return this.#breaker.isOpen;
  }

  /** Most calls per second, once an adapter has told it. */
  set rate(requestsPerSecond: number) {
    this.#throttle.rate = requestsPerSecond;
  }

  onRecovered(wake: () => void): () => void {
    return this.#breaker.onRecovered(wake);
  }

  call<R extends Answer>(job: Job<R>, signal: AbortSignal): Promise<Outcome<R>> {
    return this.#outermost.call(job, signal);
  }
}
