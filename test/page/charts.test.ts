import type { JsonNumber } from "@pipekit/proto/editor";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { groupMetrics } from "../../clients/page/src/charts/groups.ts";
import { MOST_POINTS, Points } from "../../clients/page/src/charts/points.ts";
import { chartRows } from "../../clients/page/src/charts/rows.ts";
import { Series } from "../../clients/page/src/charts/series.ts";
import { smoothed } from "../../clients/page/src/charts/smoothing.ts";
import { keptPoints } from "../../clients/page/src/charts/thinning.ts";
import { BEGAN_US, madePoints } from "./made-up.ts";

const values = fc.array(
  fc.oneof(
    { weight: 9, arbitrary: fc.double({ noNaN: true, min: -1e9, max: 1e9 }) },
    fc.constantFrom(Number.NaN, Infinity),
  ),
  { minLength: 1, maxLength: 3000 },
);

describe("thinning", () => {
  test("keeps the ends, the peaks and something unusual, within its limit", () => {
    fc.assert(
      fc.property(
        values,
        fc.integer({ min: 10, max: 400 }),
        fc.integer({ min: 0, max: 50 }),
        (line, limit, stride) => {
          const steps = line.map((_, index) => index * stride);
          const kept = keptPoints(steps, line, limit);
          expect(kept.length).toBeLessThanOrEqual(Math.max(limit, 10));
          expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b));
          expect([kept[0], kept.at(-1)]).toEqual([0, line.length - 1]);
          const finite = (from: readonly number[]) => from.filter(Number.isFinite);
          const left = finite(kept.map((index) => line[index] as number));
          if (finite(line).length === 0) return;
          expect([Math.min(...left), Math.max(...left)]).toEqual([
            Math.min(...finite(line)),
            Math.max(...finite(line)),
          ]);
          expect(kept.some((index) => !Number.isFinite(line[index]))).toBe(
            line.some((value) => !Number.isFinite(value)),
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  test("a million points that stream in stay few, and its first half keeps its shape", () => {
    const points = new Points();
    for (let from = 0; from < 1_000_000; from += 1000) {
      points.add(
        madePoints(
          "loss",
          Array.from({ length: 1000 }, (_, i) => Math.sin((from + i) / 5000)),
          from,
        ),
      );
      expect(points.length).toBeLessThanOrEqual(MOST_POINTS);
    }
    const firstHalf = points.values.filter((_, index) => (points.steps[index] as number) < 500_000);
    expect(firstHalf.length).toBeGreaterThan(500);
    // The sine has 15 peaks there, each still at its height.
    expect(firstHalf.filter((value) => value > 0.99999).length).toBeGreaterThanOrEqual(15);
    expect([points.steps[0], points.steps.at(-1)]).toEqual([0, 999_999]);
  });
});

describe("points", () => {
  test("of a resumed run that logs earlier steps again stand where their step is", () => {
    const points = new Points();
    points.add(madePoints("loss", [1, 2, 3], 0));
    points.add(madePoints("loss", [20, 30, 40], 1));
    expect(points.steps).toEqual([0, 1, 1, 2, 2, 3]);
    expect(points.values).toEqual([1, 2, 20, 3, 30, 40]);
  });

  test("a series counts what it has and what was left out", () => {
    const series = new Series();
    series.replace({ ...madePoints("loss", [5, "NaN", 1]), pointsInRange: 1000 });
    series.append(madePoints("loss", ["Infinity", 9, 2], 1000));
    expect(series.summary).toEqual({
      points: 1003,
      last: 2,
      lastStep: 1002,
      min: 1,
      max: 9,
      unusual: 2,
      exact: false,
    });
    series.replace(madePoints("loss", [7]));
    expect(series.summary).toMatchObject({ points: 1, min: 7, max: 7, unusual: 0, exact: true });
  });

  test("a zoomed part is in full detail, also with points that come later", () => {
    const series = new Series();
    series.replace(madePoints("loss", [1, 2, 3, 4]));
    series.zoom(1, 5, madePoints("loss", [2, 2.5], 1));
    expect(series.points({ from: 1, to: 5 }).values).toEqual([2, 2.5]);
    expect(series.points({ from: 0, to: 5 }).values).toEqual([1, 2, 3, 4]);
    series.append(madePoints("loss", [5, 6, 7], 4));
    expect(series.points({ from: 2, to: 4 }).steps).toEqual([1, 2, 4, 5]);
    expect(series.stepsBetween(BEGAN_US + 2e6, BEGAN_US + 3.5e6)).toEqual({ from: 2, to: 3 });
    expect(series.stepsBetween(0, 1)).toBeUndefined();
  });
});

describe("rows of a chart", () => {
  const points = (told: readonly JsonNumber[]) => {
    const made = new Points();
    made.add(madePoints("loss", told));
    return made;
  };

  test("have gaps and marks where values are no finite numbers", () => {
    const rows = chartRows(points([1, "NaN", -3, "-Infinity", 0]), "step", false, 0);
    expect(rows.y).toEqual([1, null, -3, null, 0]);
    expect(rows).toMatchObject({ unusual: [1, 3], belowLog: 0 });
  });

  test("a logarithmic axis has no place for zero and below", () => {
    const rows = chartRows(points([1, -3, 0, 10]), "step", true, 0);
    expect(rows.y).toEqual([1, null, null, 10]);
    expect(rows.belowLog).toBe(2);
  });

  test("along time they ascend, whatever the steps do", () => {
    const made = new Points();
    made.add({ ...madePoints("loss", [1, 2]), timesUs: [9e6, 10e6] });
    made.add({ ...madePoints("loss", [3]), timesUs: [1e6] });
    expect(chartRows(made, "time", false, 0)).toMatchObject({ x: [1, 9, 10], y: [3, 1, 2] });
  });

  test("smoothing starts at the first value, stays within the values, and skips gaps", () => {
    expect(smoothed([4, null, 4], 0.9)).toEqual([4, null, 4]);
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1 }), (line) => {
        const smooth = smoothed(line, 0.7) as number[];
        expect(smooth[0]).toBeCloseTo(line[0] as number, 5);
        const slack = 1e-6;
        expect(Math.min(...smooth)).toBeGreaterThanOrEqual(Math.min(...line) - slack);
        expect(Math.max(...smooth)).toBeLessThanOrEqual(Math.max(...line) + slack);
      }),
    );
  });
});

test("metrics are in groups, the machine's at the end, numbers in order", () => {
  const keys = ["system/cpu", "val/loss", "layer10/w", "layer2/w", "loss", "/odd", "val/acc"];
  expect(groupMetrics(keys)).toEqual([
    { name: "", keys: ["/odd", "loss"] },
    { name: "layer2", keys: ["layer2/w"] },
    { name: "layer10", keys: ["layer10/w"] },
    { name: "val", keys: ["val/acc", "val/loss"] },
    { name: "system", keys: ["system/cpu"] },
  ]);
});
