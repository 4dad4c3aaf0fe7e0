import plot from "simple-ascii-chart";
import { figure } from "../format.ts";

/** Below it a tenth of a value may be too small for floating point. */
const TINY = 1e-300;

/** Points of one metric; the columns have one length. */
export interface ChartSeries {
  readonly steps: ArrayLike<number>;
  readonly values: ArrayLike<number>;
}

/** Size of the drawing area, characters. */
export interface ChartSize {
  readonly width: number;
  readonly height: number;
}

/**
 * Draws a metric over its steps. Points that share a column are averaged; between columns the line is straight; where a
 * value is NaN or infinite it has a gap.
 */
export function chart({ steps, values }: ChartSeries, { width, height }: ChartSize): string[] {
  const columns = toColumns(steps, values, width);
  const finite = columns.flatMap((column) => (column.kind === "value" ? [column.value] : []));
  if (finite.length === 0) return [steps.length === 0 ? "(no points)" : "(no finite value)"];
  const [low, high] = range(finite);
  // Drawn between 0 and 1, so that neither tiny nor huge values meet the limits of floating point.
  const unit = (value: number) => (value / 2 - low / 2) / (high / 2 - low / 2);
  const segments = toSegments(columns.map((c) => (c.kind === "value" ? { ...c, value: unit(c.value) } : c)));
  const ticks = [0, 0.5, 1];
  const labels = ticks.map((tick) => figure(low * (1 - tick) + high * tick));
  const labelWidth = Math.max(...labels.map((label) => label.length));
  const drawing = plot(segments, {
    width: drawnWidth(segments),
    height,
    yRange: [0, 1],
    customYAxisTicks: ticks,
    hideXAxisTicks: true,
    formatter: (value) => (labels[ticks.indexOf(value)] ?? "").padStart(labelWidth),
    symbols: { axis: { n: "│", e: "─" } },
  });
  return frame(drawing, labelWidth, width, segments[0]?.[0]?.[0] ?? 0, edges(steps));
}

type Column = { readonly kind: "value"; readonly value: number } | { readonly kind: "gap" | "empty" };

/** What stands in each column: the mean of its finite values, a gap when it only has others, or nothing. */
function toColumns(steps: ArrayLike<number>, values: ArrayLike<number>, width: number): Column[] {
  const [first, last] = edges(steps);
  const sums = new Float64Array(width);
  const counts = new Uint32Array(width);
  const seen = new Uint8Array(width);
  for (let i = 0; i < steps.length; i++) {
    const share = last > first ? ((steps[i] ?? 0) - first) / (last - first) : 0;
    const column = Math.round(share * (width - 1));
    const value = values[i] ?? Number.NaN;
    seen[column] = 1;
    if (!Number.isFinite(value)) continue;
    counts[column] = (counts[column] ?? 0) + 1;
    // A running mean: a sum could overflow.
    sums[column] = (sums[column] ?? 0) + (value - (sums[column] ?? 0)) / (counts[column] ?? 1);
  }
  return Array.from(sums, (mean, i): Column => {
    if ((counts[i] ?? 0) > 0 && Number.isFinite(mean)) return { kind: "value", value: mean };
    return { kind: seen[i] ? "gap" : "empty" };
  });
}

function edges(steps: ArrayLike<number>): [number, number] {
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < steps.length; i++) {
    first = Math.min(first, steps[i] ?? first);
    last = Math.max(last, steps[i] ?? last);
  }
  return [first, last];
}

/** Lines without gaps; empty columns between two values are filled along a straight line. */
function toSegments(columns: readonly Column[]): [number, number][][] {
  const segments: [number, number][][] = [];
  let current: [number, number][] = [];
  columns.forEach((column, x) => {
    if (column.kind === "gap") {
      if (current.length > 0) segments.push(current);
      current = [];
    } else if (column.kind === "value") {
      const before = current.at(-1);
      for (let between = (before?.[0] ?? x) + 1; before !== undefined && between < x; between++) {
        const share = (between - before[0]) / (x - before[0]);
        current.push([between, before[1] + (column.value - before[1]) * share]);
      }
      current.push([x, column.value]);
    }
  });
  if (current.length > 0) segments.push(current);
  return segments;
}

function range(values: readonly number[]): [number, number] {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  // Halves, because they are what is drawn with: those of the smallest numbers are all zero.
  if (low / 2 < high / 2) return [low, high];
  const margin = Math.abs(low) < TINY ? 1 : Math.abs(low) * 0.1;
  return [Math.max(low - margin, -Number.MAX_VALUE), Math.min(high + margin, Number.MAX_VALUE)];
}

/** The library stretches what it gets over its width; this width leaves every column where it is. */
function drawnWidth(segments: readonly (readonly [number, number][])[]): number {
  const first = segments[0]?.[0]?.[0] ?? 0;
  const last = segments.at(-1)?.at(-1)?.[0] ?? 0;
  return Math.max(2, last - first + 1);
}

/** Shifts the drawing to its column and puts the first and last step below. */
function frame(
  drawing: string,
  labelWidth: number,
  width: number,
  firstColumn: number,
  [first, last]: readonly [number, number],
): string[] {
  const axisAt = labelWidth;
  const shift = " ".repeat(firstColumn);
  const rows = drawing
    .split("\n")
    .filter((line) => /[│┤]/.test(line[axisAt] ?? ""))
    .map((line) => `${line.slice(0, axisAt + 1)}${shift}${line.slice(axisAt + 1)}`.trimEnd());
  // The library's uppermost row is always empty.
  rows.shift();
  const [from, to] = [String(first), String(last)];
  const steps = first === last ? from : from + to.padStart(Math.max(to.length + 1, width - from.length));
  return [...rows, `${" ".repeat(axisAt)}└${"─".repeat(width)}`, `${" ".repeat(axisAt + 1)}${steps}`];
}
