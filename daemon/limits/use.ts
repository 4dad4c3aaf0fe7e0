/** What a principal, or all together, use of a quota. */
import { Bucket } from "./bucket.ts";
import type { Quota } from "./quota.ts";

/** A limit that is passed: which, and after how long it may be asked again, milliseconds. */
export interface Excess {
  readonly limit: keyof Quota;
  readonly waitMs: number;
}

const DAY_MS = 86_400_000;
/** When a stream ends nobody knows: asked again after this, milliseconds. */
const CALLS_WAIT_MS = 1000;

export class Use {
  readonly quota: Quota;
  readonly #begun: Bucket;
  readonly #runs: Bucket;
  readonly #changes: Bucket;
  readonly #points: Bucket;
  readonly #bytes: Bucket;
  #calls = 0;
  #day = 0;
  #modelBytes = 0;

  constructor(quota: Quota, now: () => number) {
    this.quota = quota;
    // A limit of 0 is never asked.
    const bucket = (amount: number, seconds: number) =>
      new Bucket(Math.max(amount, 1), amount / seconds, now);
    this.#begun = bucket(quota.calls_per_s, 1);
    this.#runs = bucket(quota.runs_per_minute, 60);
    this.#changes = bucket(quota.changes_per_minute, 60);
    this.#points = bucket(quota.points_per_s, 1);
    this.#bytes = bucket(quota.mb_per_s * 1e6, 1);
  }

  get calls(): number {
    return this.#calls;
  }

  /** Begins a call; undefined when it may go on. */
  begin(changes: boolean): Excess | undefined {
    const { quota } = this;
    if (quota.calls > 0 && this.#calls >= quota.calls) return { limit: "calls", waitMs: CALLS_WAIT_MS };
    if (changes && quota.changes_per_minute > 0 && !this.#changes.take(1)) {
      return { limit: "changes_per_minute", waitMs: this.#changes.waitMs(1) };
    }
    this.#calls++;
    return undefined;
  }

  /** Counts a call that began. Returns how long it waits for its turn, milliseconds. */
  turnMs(): number {
    return this.quota.calls_per_s > 0 ? this.#begun.owe(1) : 0;
  }

  end(): void {
    this.#calls--;
  }

  /** Milliseconds until one more run may start. */
  runWaitMs(): number {
    return this.quota.runs_per_minute > 0 ? this.#runs.waitMs(1) : 0;
  }

  /** Counts runs, points and bytes that are taken in any case. Returns how long to wait before more is read, milliseconds. */
  owe(runs: number, points: number, bytes: number): number {
    const { runs_per_minute, points_per_s, mb_per_s } = this.quota;
    return Math.max(
      runs > 0 && runs_per_minute > 0 ? this.#runs.owe(runs) : 0,
      points_per_s > 0 ? this.#points.owe(points) : 0,
      mb_per_s > 0 ? this.#bytes.owe(bytes) : 0,
    );
  }

  /** Counts bytes of weights at a time, unix milliseconds. */
  store(bytes: number, atMs: number): Excess | undefined {
    const day = Math.floor(atMs / DAY_MS);
    if (day !== this.#day) this.#modelBytes = 0;
    this.#day = day;
    const most = this.quota.model_gb_per_day * 1e9;
    if (most > 0 && this.#modelBytes + bytes > most) {
      return { limit: "model_gb_per_day", waitMs: (day + 1) * DAY_MS - atMs };
    }
    this.#modelBytes += bytes;
    return undefined;
  }
}
