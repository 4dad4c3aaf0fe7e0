import type { PointColumns } from "./messages.ts";
import { PointBuffer, type PointTaker } from "./points.ts";

/**
 * Down-samples one series of known length over the journal order. It keeps the first and the last point, and of each
 * bucket (equal shares of the points) the smallest and the largest value, in journal order. A NaN is kept only when
 * its bucket holds nothing else.
 */
export class Sampler implements PointTaker {
  readonly #key: string;
  readonly #count: number;
  readonly #buckets: number;
  readonly #kept: PointBuffer;
  #index = 0;
  #bucket = 0;
  #bucketEnd = 0;
  readonly #min = new Candidate();
  readonly #max = new Candidate();

  /** `count` is the number of points to come; at most `maxPoints` (4 or more) are kept. */
  constructor(key: string, count: number, maxPoints: number) {
    this.#key = key;
    this.#count = count;
    // One bucket a point keeps every point; otherwise two points go to the ends and two to each bucket.
    this.#buckets = count <= maxPoints ? count : Math.floor((maxPoints - 2) / 2);
    this.#kept = new PointBuffer(Math.max(1, Math.min(count, maxPoints)));
    this.#bucketEnd = this.#endOf(0);
  }

  add(stepLow: number, stepHigh: number, value: number, timeLow: number, timeHigh: number): void {
    const index = this.#index++;
    if (index === this.#bucketEnd) this.#closeBucket();
    if (index === 0) {
      this.#kept.push(stepLow, stepHigh, value, timeLow, timeHigh);
    } else if (index === this.#count - 1) {
      this.#offer(index, stepLow, stepHigh, value, timeLow, timeHigh);
      this.#closeBucket(index);
      this.#kept.push(stepLow, stepHigh, value, timeLow, timeHigh);
    } else {
      this.#offer(index, stepLow, stepHigh, value, timeLow, timeHigh);
    }
  }

  take(): PointColumns {
    return this.#kept.take(this.#key);
  }

  #offer(
    index: number,
    stepLow: number,
    stepHigh: number,
    value: number,
    timeLow: number,
    timeHigh: number,
  ): void {
    // A candidate that is NaN gives way to every number; a NaN never displaces one.
    if (
      this.#min.index < 0 ||
      value < this.#min.value ||
      (Number.isNaN(this.#min.value) && !Number.isNaN(value))
    ) {
      this.#min.set(index, stepLow, stepHigh, value, timeLow, timeHigh);
    }
    if (
      this.#max.index < 0 ||
      value > this.#max.value ||
      (Number.isNaN(this.#max.value) && !Number.isNaN(value))
    ) {
      this.#max.set(index, stepLow, stepHigh, value, timeLow, timeHigh);
    }
  }

  /** Keeps the bucket's candidates in journal order, except the one that is kept anyhow. */
  #closeBucket(keptAnyhow = -1): void {
    const [first, second] =
      this.#min.index <= this.#max.index ? [this.#min, this.#max] : [this.#max, this.#min];
    if (first.index >= 0 && first.index !== keptAnyhow) first.keepIn(this.#kept);
    if (second.index !== first.index && second.index !== keptAnyhow) second.keepIn(this.#kept);
    this.#min.index = -1;
    this.#max.index = -1;
    this.#bucket++;
    this.#bucketEnd = this.#endOf(this.#bucket);
  }

  #endOf(bucket: number): number {
    return Math.ceil(((bucket + 1) * this.#count) / this.#buckets);
  }
}

class Candidate {
  /** -1 for none. */
  index = -1;
  value = Number.NaN;
  #stepLow = 0;
  #stepHigh = 0;
  #timeLow = 0;
  #timeHigh = 0;

  set(
    index: number,
    stepLow: number,
    stepHigh: number,
    value: number,
    timeLow: number,
    timeHigh: number,
  ): void {
    this.index = index;
    this.value = value;
    this.#stepLow = stepLow;
    this.#stepHigh = stepHigh;
    this.#timeLow = timeLow;
    this.#timeHigh = timeHigh;
  }

  keepIn(kept: PointBuffer): void {
    kept.push(this.#stepLow, this.#stepHigh, this.value, this.#timeLow, this.#timeHigh);
  }
}
