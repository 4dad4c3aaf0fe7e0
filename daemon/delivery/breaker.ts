import { backoffMs } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import type { Answer, Caller, Job, Outcome } from "./exchange.ts";
import type { Limits } from "./limits.ts";

type BreakerLimits = Pick<Limits, "breakerFailures" | "backoffBaseMs" | "probeCapMs">;

/**
 * Spares an endpoint that does not answer. After enough failures in a row it lets one call at a time through, as a
 * probe; the others are told when to come again. The failures of one run alone never open it: that run waits
 * for itself, and the fault may be its own.
 */
export class Breaker implements Caller {
  readonly #inner: Caller;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #limits: BreakerLimits;
  readonly #recovered = new Set<() => void>();
  readonly #failed = new Set<string>();
  #failures = 0;
  #probing = false;
  #probeAt = 0;
  #reason = "";

  constructor(inner: Caller, clock: Clock, random: () => number, limits: BreakerLimits) {
    this.#inner = inner;
    this.#clock = clock;
    this.#random = random;
    this.#limits = limits;
  }

  get isOpen(): boolean {
    return this.#failures >= this.#limits.breakerFailures && this.#failed.size > 1;
  }

  /** Calls back once when the endpoint answers again after it was given up; returns the undo. */
  onRecovered(listener: () => void): () => void {
    this.#recovered.add(listener);
    return () => this.#recovered.delete(listener);
  }

  async call<R extends Answer>(job: Job<R>, signal: AbortSignal): Promise<Outcome<R>> {
    const isProbe = this.isOpen;
    if (isProbe) {
      const dueMs = Math.max(0, this.#probeAt - this.#clock.now());
      if (this.#probing || dueMs > 0) {
        // A probe can hang for minutes; who waits is woken when it succeeds, and need not ask all the time.
        const afterMs = this.#probing ? Math.max(dueMs, this.#limits.probeCapMs / 2) : dueMs;
        const reason = `The endpoint does not answer and is only probed now: ${this.#reason}`;
        return { status: "retry", cause: "breaker", reason, afterMs };
      }
      this.#probing = true;
    }
    try {
      const answer = await this.#inner.call(job, signal);
      if (answer.status === "retry") this.#failedBy(job.owner, answer.reason);
      else this.#succeeded();
      return answer;
    } finally {
      if (isProbe) this.#probing = false;
    }
  }

  #failedBy(owner: string, reason: string): void {
    this.#failures++;
    this.#failed.add(owner);
    this.#reason = reason;
    if (!this.isOpen) return;
    const { breakerFailures, backoffBaseMs, probeCapMs } = this.#limits;
    const probes = this.#failures - breakerFailures + 1;
    this.#probeAt = this.#clock.now() + backoffMs(probes, backoffBaseMs, probeCapMs, this.#random);
  }

  #succeeded(): void {
    const wasOpen = this.isOpen;
    this.#failures = 0;
    this.#failed.clear();
    if (wasOpen) for (const listener of [...this.#recovered]) listener();
  }
}
