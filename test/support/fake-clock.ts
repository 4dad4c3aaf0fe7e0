import type { Clock } from "../../daemon/delivery/index.ts";

/** A clock that stands still until it is told to go on. */
export class FakeClock implements Clock {
  #now = 1_700_000_000_000;
  readonly #timers = new Set<{ readonly at: number; readonly fire: () => void }>();

  now(): number {
    return this.#now;
  }

  unixMs(moment: number): number {
    return moment;
  }

  timer(ms: number, fire: () => void): () => void {
    const timer = { at: this.#now + ms, fire };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Lets `ms` pass, firing what is due in order; whatever a timer sets off runs to its end before the next. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await this.flush();
    for (let next = this.#next(); next !== undefined && next.at <= until; next = this.#next()) {
      await this.#fire(next);
    }
    this.#now = until;
    await this.flush();
  }

  /** Jumps from timer to timer until `done` holds; throws when more than `limitMs` would pass. */
  async until(done: () => boolean, limitMs = 24 * 3_600_000): Promise<void> {
    const end = this.#now + limitMs;
    await this.flush();
    while (!done()) {
      const next = this.#next();
      if (next === undefined || next.at > end) throw new Error("It does not happen, however long one waits.");
      await this.#fire(next);
    }
  }

  /** Lets everything run that waits for no timer. */
  async flush(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  #next(): { at: number; fire: () => void } | undefined {
    return [...this.#timers].toSorted((a, b) => a.at - b.at)[0];
  }

  async #fire(timer: { at: number; fire: () => void }): Promise<void> {
    this.#timers.delete(timer);
    this.#now = Math.max(this.#now, timer.at);
    timer.fire();
    await this.flush();
  }
}
