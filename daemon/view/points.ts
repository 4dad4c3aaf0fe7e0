import type { MetricSeries } from "@pipekit/experiment";
import type { JsonNumber, SeriesPoints } from "@pipekit/proto/editor";
import { jsonNumber } from "./documents/numbers.ts";

/** Points of several metrics that come in parts, until they are taken. */
export class Points {
  #parts = new Map<string, MetricSeries[]>();

  get isEmpty(): boolean {
    return this.#parts.size === 0;
  }

  add(series: readonly MetricSeries[]): void {
    for (const part of series) {
      const parts = this.#parts.get(part.key);
      if (parts === undefined) this.#parts.set(part.key, [part]);
      else parts.push(part);
    }
  }

  clear(): void {
    this.#parts.clear();
  }

  /** What was there in the range before it was thinned out: parts of one series, each of which knows the whole's number. */
  takeWhole(): SeriesPoints[] {
    return this.#take((parts) => ({ kept: joined(parts), pointsInRange: parts[0]?.pointsInRange ?? 0 }));
  }

  /** What came since it was last taken, at most so many points a metric. */
  takeLive(maxPoints: number): SeriesPoints[] {
    return this.#take((parts) => {
      const whole = joined(parts);
      return { kept: thinned(whole, maxPoints), pointsInRange: whole.length };
    });
  }

  #take(
    choose: (parts: readonly MetricSeries[]) => { kept: Point[]; pointsInRange: number },
  ): SeriesPoints[] {
    const taken = [...this.#parts].map(([key, parts]) => {
      const { kept, pointsInRange } = choose(parts);
      return {
        key,
        steps: kept.map(({ step }) => step),
        values: kept.map(({ value }): JsonNumber => jsonNumber(value)),
        timesUs: kept.map(({ timeUs }) => timeUs),
        pointsInRange,
      };
    });
    this.#parts = new Map();
    return taken;
  }
}

interface Point {
  readonly step: number;
  readonly value: number;
  readonly timeUs: number;
}

function joined(parts: readonly MetricSeries[]): Point[] {
  const points: Point[] = [];
  for (const { steps, values, timesUs } of parts) {
    for (let i = 0; i < steps.length; i++) {
      points.push({ step: steps[i] ?? 0, value: values[i] ?? 0, timeUs: timesUs[i] ?? 0 });
    }
  }
  return points;
}

/** At most so many of the points: of each stretch the smallest and the largest value stay, in their order. */
function thinned(points: Point[], most: number): Point[] {
  if (points.length <= most) return points;
  const stretches = Math.floor(most / 2);
  const kept: Point[] = [];
  for (let stretch = 0; stretch < stretches; stretch++) {
    const begin = Math.floor((stretch * points.length) / stretches);
    const end = Math.floor(((stretch + 1) * points.length) / stretches);
    let [least, largest] = [begin, begin];
    for (let i = begin; i < end; i++) {
      if (passes(points[i], points[least], -1)) least = i;
      if (passes(points[i], points[largest], 1)) largest = i;
    }
    for (const i of new Set([Math.min(least, largest), Math.max(least, largest)])) {
      const point = points[i];
      if (point !== undefined) kept.push(point);
    }
  }
  return kept;
}

/** Whether a value lies beyond another, above (1) or below (-1). NaN never does, and gives way to every number. */
function passes(a: Point | undefined, b: Point | undefined, side: 1 | -1): boolean {
  const [one, other] = [a?.value ?? Number.NaN, b?.value ?? Number.NaN];
  return Number.isNaN(other) ? !Number.isNaN(one) : side * one > side * other;
}
