import type { PointColumns } from "./messages.ts";

/** A growing list of points in columns. Integers are kept as pairs of 32 bits: no BigInt is made for a point. */
export class PointBuffer {
  #steps: Int32Array<ArrayBuffer>;
  #timesUs: Int32Array<ArrayBuffer>;
  #values: Float64Array<ArrayBuffer>;
  #length = 0;

  constructor(capacity = 16) {
    this.#steps = new Int32Array(capacity * 2);
    this.#timesUs = new Int32Array(capacity * 2);
    this.#values = new Float64Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  push(stepLow: number, stepHigh: number, value: number, timeLow: number, timeHigh: number): void {
    const at = this.#length;
    if (at === this.#values.length) this.#resize(at * 2);
    this.#steps[at * 2] = stepLow;
    this.#steps[at * 2 + 1] = stepHigh;
    this.#timesUs[at * 2] = timeLow;
    this.#timesUs[at * 2 + 1] = timeHigh;
    this.#values[at] = value;
    this.#length = at + 1;
  }

  /** The points as columns whose memory can be transferred. The buffer is not used afterwards. */
  take(key: string): PointColumns {
    this.#resize(this.#length);
    return {
      key,
      steps: new BigInt64Array(this.#steps.buffer),
      values: this.#values,
      timesUs: new BigInt64Array(this.#timesUs.buffer),
    };
  }

  #resize(capacity: number): void {
    this.#steps = resized(new Int32Array(capacity * 2), this.#steps);
    this.#timesUs = resized(new Int32Array(capacity * 2), this.#timesUs);
    const values = new Float64Array(capacity);
    values.set(this.#values.subarray(0, capacity));
    this.#values = values;
  }
}

function resized(to: Int32Array<ArrayBuffer>, from: Int32Array): Int32Array<ArrayBuffer> {
  to.set(from.subarray(0, to.length));
  return to;
}

/** What becomes of the points of one series in a scan. */
export interface PointTaker {
  add(stepLow: number, stepHigh: number, value: number, timeLow: number, timeHigh: number): void;
}

/** Counts. */
export class PointCounter implements PointTaker {
  points = 0;

  add(): void {
    this.points++;
  }
}

/** Keeps all, in columns of at most `chunkPoints` points. */
export class PointKeeper implements PointTaker {
  readonly #key: string;
  readonly #chunkPoints: number;
  readonly #done: PointColumns[] = [];
  #open = new PointBuffer();

  constructor(key: string, chunkPoints: number) {
    this.#key = key;
    this.#chunkPoints = chunkPoints;
  }

  add(stepLow: number, stepHigh: number, value: number, timeLow: number, timeHigh: number): void {
    if (this.#open.length === this.#chunkPoints) {
      this.#done.push(this.#open.take(this.#key));
      this.#open = new PointBuffer(this.#chunkPoints);
    }
    this.#open.push(stepLow, stepHigh, value, timeLow, timeHigh);
  }

  take(): readonly PointColumns[] {
    return this.#open.length === 0 ? this.#done : [...this.#done, this.#open.take(this.#key)];
  }
}
