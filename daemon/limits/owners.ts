/** What the connections of one principal may cost together. */
import { Bucket } from "./bucket.ts";
import type { Quota } from "./quota.ts";

/** Calls that a principal begins at once, for each that it may have open. */
const BURST = 4;
/** Calls that a principal begins a second, for each that is served: who heeds `calls_per_s` comes nowhere near. */
const PACE = 2;

interface Owner {
  connections: number;
  quota: Quota;
  pace: Bucket;
}

export class Owners {
  readonly #now: () => number;
  /** As many as the principals file has named. */
  readonly #owners = new Map<string, Owner>();

  /** `now` tells milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts a connection of a principal; false, and not counted, where it has as many as its quota says. */
  add(principal: string, quota: Quota): boolean {
    const owner = this.#of(principal, quota);
    if (quota.connections > 0 && owner.connections >= quota.connections) return false;
    owner.connections++;
    return true;
  }

  remove(principal: string): void {
    const owner = this.#owners.get(principal);
    if (owner !== undefined) owner.connections--;
  }

  /** Counts calls that a principal began, on whichever connection; true when they are more than it may begin. */
  isTooMany(principal: string, calls: number): boolean {
    const owner = this.#owners.get(principal);
    if (owner === undefined || owner.quota.calls_per_s === 0) return false;
    return !owner.pace.spend(calls);
  }

  #of(principal: string, quota: Quota): Owner {
    const known = this.#owners.get(principal);
    if (known === undefined) {
      const made = { connections: 0, quota, pace: this.#paceOf(quota) };
      this.#owners.set(principal, made);
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
