import type { SinkRecord } from "@pipekit/adapters/tracker";
import type { MetricColumns } from "@pipekit/proto";

/** Rough encoded size of a point beside its key: step, value, time and their names as JSON, bytes. */
const POINT_BYTES = 72;

/** Walks the points of columns and can stop and go on: a record may hold many batches. */
export class PointWalker {
  readonly #columns: MetricColumns;
  readonly #rows: number;
  readonly #keyBytes: readonly (readonly number[])[];
  #row = 0;
  #keyInRow = 0;
  #value = 0;

  /** Starts after the first `skip` points. The columns have passed checkColumns. */
  constructor(columns: MetricColumns, skip: number) {
    this.#columns = columns;
    this.#rows = columns.rowKeySet.length / 4;
    this.#keyBytes = columns.keySets.map((set) => set.keys.map((key) => Buffer.byteLength(key)));
    this.#skip(skip);
  }

  get done(): boolean {
    return this.#value * 8 >= this.#columns.values.length;
  }

  /** Appends points to `into` until it has `most` records or `room` bytes are used; returns the bytes used. */
  take(into: SinkRecord[], most: number, room: number): number {
    const { rowStep, rowTimeUs, values } = this.#columns;
    let used = 0;
    while (this.#row < this.#rows) {
      const set = this.#columns.rowKeySet.readUInt32LE(this.#row * 4);
      const keys = this.#columns.keySets[set]?.keys ?? [];
      const step = Number(rowStep.readBigInt64LE(this.#row * 8));
      const timeUs = Number(rowTimeUs.readBigInt64LE(this.#row * 8));
      for (; this.#keyInRow < keys.length; this.#keyInRow++) {
        const bytes = POINT_BYTES + (this.#keyBytes[set]?.[this.#keyInRow] ?? 0);
        // The first record of a batch goes in whatever its size, else it would never go.
        if (into.length >= most || (into.length > 0 && used + bytes > room)) return used;
        const value = values.readDoubleLE(this.#value++ * 8);
        into.push({ kind: "point", key: keys[this.#keyInRow] ?? "", step, value, timeUs });
        used += bytes;
      }
      this.#keyInRow = 0;
      this.#row++;
    }
    return used;
  }

  #skip(points: number): void {
    let left = points;
    while (left > 0 && this.#row < this.#rows) {
      const width = this.#keyBytes[this.#columns.rowKeySet.readUInt32LE(this.#row * 4)]?.length ?? 0;
      if (width > left) {
        this.#keyInRow = left;
        this.#value += left;
        return;
      }
      left -= width;
      this.#value += width;
      this.#row++;
    }
  }
}
