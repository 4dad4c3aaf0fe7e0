/** One metric of one run as its charts show it: the whole line, and the part that was zoomed into in full detail. */
import type { SeriesPoints } from "@pipekit/proto/editor";
import { Points } from "./points.ts";

interface Detail {
  readonly from: number;
  readonly to: number;
  readonly points: Points;
}

/** What a table says of a line; NaN where it has no finite value. */
export interface SeriesSummary {
  readonly points: number;
  readonly last: number;
  readonly lastStep: number;
  readonly min: number;
  readonly max: number;
  /** Values that are NaN or infinite, of those that are known here. */
  readonly unusual: number;
  /** Whether all points are known here, so that `unusual` is exact. */
  readonly exact: boolean;
}

export class Series {
  /** Raised with each change. */
  version = 0;
  #whole = new Points();
  #detail: Detail | undefined;
  #summary: SeriesSummary = NOTHING;

  get summary(): SeriesSummary {
    return this.#summary;
  }

  /** Forgets what it held, and holds these. */
  replace(points: SeriesPoints): void {
    this.#whole = new Points();
    this.#summary = NOTHING;
    this.#take(points, points.pointsInRange);
  }

  /** Adds points that were logged since. */
  append(points: SeriesPoints): void {
    this.#take(points, Math.max(points.pointsInRange, points.steps.length));
    const detail = this.#detail;
    if (detail !== undefined) detail.points.add(within(points, detail.from, detail.to));
  }

  /** Takes the points of a range of steps in full detail. */
  zoom(from: number, to: number, points: SeriesPoints): void {
    this.#detail = { from, to, points: new Points() };
    this.#detail.points.add(points);
    this.version++;
  }

  /** The most detailed points that are known of a range of steps; of all steps without one. */
  points(range?: { readonly from: number; readonly to: number }): Points {
    const detail = this.#detail;
    const covers =
      detail !== undefined && range !== undefined && detail.from <= range.from && range.to <= detail.to;
    return covers ? detail.points : this.#whole;
  }

  /** The steps that were logged in a span of time; undefined when there were none. Unix microseconds. */
  stepsBetween(fromUs: number, toUs: number): { readonly from: number; readonly to: number } | undefined {
    const { steps, timesUs } = this.#whole;
    const inside = steps.filter((_, index) => {
      const at = timesUs[index] as number;
      return at >= fromUs && at <= toUs;
    });
    if (inside.length === 0) return undefined;
    return { from: Math.min(...inside), to: Math.max(...inside) };
  }

  #take(points: SeriesPoints, count: number): void {
    this.#whole.add(points);
    this.#summary = summed(this.#summary, points, count);
    this.version++;
  }
}

const NOTHING: SeriesSummary = {
  points: 0,
  last: Number.NaN,
  lastStep: 0,
  min: Number.NaN,
  max: Number.NaN,
  unusual: 0,
  exact: true,
};

function summed(before: SeriesSummary, points: SeriesPoints, count: number): SeriesSummary {
  if (points.steps.length === 0) return before;
  let { min, max, unusual } = before;
  for (const told of points.values) {
    const value = Number(told);
    if (!Number.isFinite(value)) unusual++;
    else {
      if (!(value >= min)) min = value;
      if (!(value <= max)) max = value;
    }
  }
  return {
    points: before.points + count,
    last: Number(points.values.at(-1)),
    lastStep: points.steps.at(-1) as number,
    min,
    max,
    unusual,
    exact: before.exact && count === points.steps.length,
  };
}

function within(points: SeriesPoints, from: number, to: number): SeriesPoints {
  const inside = (_: unknown, index: number) => {
    const step = points.steps[index] as number;
    return step >= from && step <= to;
  };
  return {
    ...points,
    steps: points.steps.filter(inside),
    values: points.values.filter(inside),
    timesUs: points.timesUs.filter(inside),
  };
}
