/** Points as a chart draws them: along steps or time, with gaps where there is nothing to draw. */
import { ascending, type Points } from "./points.ts";
import { smoothed } from "./smoothing.ts";

export type AxisName = "step" | "time";

export interface ChartRows {
  /** Steps, or Unix seconds; ascending. */
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
  /** The smoothed line; as `y` where nothing is smoothed. */
  readonly smooth: readonly (number | null)[];
  /** Where values are NaN or infinite, along x. */
  readonly unusual: readonly number[];
  /** Values that a logarithmic axis has no place for. */
  readonly belowLog: number;
}

export function chartRows(points: Points, axis: AxisName, log: boolean, smoothing: number): ChartRows {
  const x = axis === "step" ? points.steps : points.timesUs.map((us) => us / 1e6);
  const order = axis === "time" && !ascends(x) ? ascending(x) : undefined;
  const along = order === undefined ? x : order.map((index) => x[index] as number);
  const values = order === undefined ? points.values : order.map((index) => points.values[index] as number);
  const unusual: number[] = [];
  let belowLog = 0;
  const y = values.map((value, index) => {
    if (!Number.isFinite(value)) {
      unusual.push(along[index] as number);
      return null;
    }
    if (log && value <= 0) {
      belowLog++;
      return null;
    }
    return value;
  });
  return { x: along, y, smooth: smoothing === 0 ? y : smoothed(y, smoothing), unusual, belowLog };
}

function ascends(values: readonly number[]): boolean {
  return values.every((value, index) => index === 0 || (values[index - 1] as number) <= value);
}
