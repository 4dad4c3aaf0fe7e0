/** Points of one metric in memory: sorted by step, and bounded however long a run streams. */
import type { JsonNumber, SeriesPoints } from "@pipekit/proto/editor";
import { keptPoints } from "./thinning.ts";

/** Beyond so many points of a metric, most are left out. A chart is some hundred pixels wide. */
export const MOST_POINTS = 8000;
const KEPT_POINTS = MOST_POINTS / 2;

/** Arrays of one length; `values` may hold NaN and infinities. Times are Unix microseconds. */
export class Points {
  steps: number[] = [];
  values: number[] = [];
  timesUs: number[] = [];

  get length(): number {
    return this.steps.length;
  }

  add(points: SeriesPoints): void {
    let sorted = true;
    for (const [index, step] of points.steps.entries()) {
      if (step < (this.steps.at(-1) ?? Number.NEGATIVE_INFINITY)) sorted = false;
      this.steps.push(step);
      this.values.push(numberOf(points.values[index] ?? "NaN"));
      this.timesUs.push(points.timesUs[index] ?? 0);
    }
    // A resumed run may log earlier steps once more; those stand where their step is, after the ones from before.
    if (!sorted) this.#keep(ascending(this.steps));
    if (this.length > MOST_POINTS) this.#keep(keptPoints(this.steps, this.values, KEPT_POINTS));
  }

  #keep(indexes: readonly number[]): void {
    const picked = (from: readonly number[]) => indexes.map((index) => from[index] as number);
    this.steps = picked(this.steps);
    this.values = picked(this.values);
    this.timesUs = picked(this.timesUs);
  }
}

/** The indexes in ascending order of the values; equal values stay in the order in which they are. */
export function ascending(values: readonly number[]): number[] {
  return values
    .map((_, index) => index)
    .sort((a, b) => (values[a] as number) - (values[b] as number) || a - b);
}

export function numberOf(value: JsonNumber): number {
  return Number(value);
}
