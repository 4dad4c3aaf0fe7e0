/** What the connections of one principal may cost together, wherever they come from. */
import { Bucket } from "./bucket.ts";
import type { Quota } from "./quota.ts";

/** Calls that a principal begins at once, for each that it may have open. */
const BURST = 4;
/** Calls that a principal begins a second, for each that is served: who heeds `calls_per_s` comes nowhere near. */
const PACE = 2;

interface Tally {
  connections: number;
  quota: Quota;
  /** Of calls that its connections have left together. */
  pace: Bucket;
}

export class PrincipalTallies {
  readonly #now: () => number;
  /** As many as the principals file has named. */
  readonly #tallies = new Map<string, Tally>();

  /** `now` tells milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts a connection of a principal; false, and not counted, where it has as many as its quota says. */
  add(principal: string, quota: Quota): boolean {
    const tally = this.#of(principal, quota);
    if (quota.connections > 0 && tally.connections >= quota.connections) return false;
    tally.connections++;
    return true;
  }

  remove(principal: string): void {
    const tally = this.#tallies.get(principal);
    if (tally !== undefined) tally.connections--;
  }

  /** Counts calls that a principal began, on whichever connection; true when they are more than it may begin. */
  isTooMany(principal: string, calls: number): boolean {
    const tally = this.#tallies.get(principal);
    if (tally === undefined || tally.quota.calls_per_s === 0) return false;
    return !tally.pace.spend(calls);
  }

  #of(principal: string, quota: Quota): Tally {
    const known = this.#tallies.get(principal);
    if (known === undefined) {
      const made = { connections: 0, quota, pace: this.#paceOf(quota) };
      this.#tallies.set(principal, made);
      return made;
    }
    const { calls, calls_per_s } = known.quota;
    if (calls !== quota.calls || calls_per_s !== quota.calls_per_s) known.pace = this.#paceOf(quota);
    known.quota = quota;
    return known;
  }

  #paceOf({ calls, calls_per_s }: Quota): Bucket {
    return new Bucket(BURST * Math.max(calls, calls_per_s), PACE * calls_per_s, this.#now);
  }
}
