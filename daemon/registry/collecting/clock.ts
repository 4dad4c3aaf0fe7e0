/** Time, as holders of leases and collectors see it. */
import { setTimeout } from "node:timers/promises";

/** Tests bring their own. */
export interface Clock {
  /** Milliseconds that go on evenly whatever is done to the time of day, and may stand still while the computer sleeps. */
  steadyMs(): number;
  /** Unix milliseconds by the time of day, which goes on while the computer sleeps, and may be set. */
  unixMs(): number;
  /** Rejects with the signal's reason on abort. `idle`: the process need not stay alive for it. */
  wait(ms: number, signal: AbortSignal, idle?: boolean): Promise<void>;
}

export const systemClock: Clock = {
  steadyMs: () => performance.now(),
  unixMs: () => Date.now(),
  wait: (ms, signal, idle = false) => setTimeout(ms, undefined, { signal, ref: !idle }),
};

/** How much time has passed at most: the longer of what two clocks say, since each of them can lag behind alone. */
export class Stopwatch {
  readonly #clock: Clock;
  readonly #steadyMs: number;
  readonly #unixMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#steadyMs = clock.steadyMs();
    this.#unixMs = clock.unixMs();
  }

  get elapsedMs(): number {
    return Math.max(this.#clock.steadyMs() - this.#steadyMs, this.#clock.unixMs() - this.#unixMs);
  }
}

/**
 * How long things hold. Whoever relies on a file of his own stops long before others take it for dead: what lies between
 * is for a request on its way, a process that is stopped, and clocks that disagree.
 */
export interface Times {
  /** A lease is dead this long after its last renewal, by the clock of the backend. */
  readonly leaseMs: number;
  /** A lease is renewed this often. */
  readonly renewMs: number;
  /** Its holder publishes nothing when it could not renew it for this long. */
  readonly holdMs: number;
  /** A tombstone is dead after this, by the clock of the backend. */
  readonly tombstoneMs: number;
  /** A collector deletes nothing more this long after it began to write tombstones. */
  readonly deletingMs: number;
  /** A tombstone is dead this long after its process was seen to be gone: a deletion that it sent may be on its way. */
  readonly goneMs: number;
  /** Added to `leaseMs` and `tombstoneMs` where files carry the time of the host that wrote them. */
  readonly skewMs: number;
}

const MINUTE = 60_000;

export const TIMES: Times = {
  leaseMs: 15 * MINUTE,
  renewMs: MINUTE,
  holdMs: 7 * MINUTE,
  tombstoneMs: 10 * MINUTE,
  deletingMs: 2 * MINUTE,
  goneMs: 4 * MINUTE,
  skewMs: 10 * MINUTE,
};

/** The times to use on a backend. */
export function timesFor(properties: { readonly serverClock: boolean }, times: Times = TIMES): Times {
  if (properties.serverClock) return { ...times, skewMs: 0 };
  const { leaseMs, tombstoneMs, skewMs } = times;
  return { ...times, leaseMs: leaseMs + skewMs, tombstoneMs: tombstoneMs + skewMs };
}
