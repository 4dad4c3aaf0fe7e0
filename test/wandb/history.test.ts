import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addEvents,
  addPoints,
  historyLine,
  NO_ROWS,
  type Point,
  RowState,
  type Written,
} from "../../adapters/wandb/history.ts";
import { parseLine } from "../support/fake-wandb.ts";

const START = 1_760_000_000_000_000;

function point(key: string, step: number, value: number, timeUs = START): Point {
  return { kind: "point", key, step, value, timeUs };
}

/** The lines of a file after points came in pieces, each piece by an adapter that knows the memo of the last. */
function file(
  points: readonly Point[],
  pieces: readonly number[],
  add: (state: RowState, points: readonly Point[]) => Written = addPoints,
): string[] {
  const lines: string[] = [];
  let state: RowState = NO_ROWS;
  let first = 0;
  for (const size of [...pieces, points.length]) {
    const written = add(state, points.slice(first, first + size));
    first += size;
    expect(written.offset).toBeLessThanOrEqual(lines.length);
    for (const [index, row] of written.rows.entries()) {
      lines[written.offset + index] = historyLine(row, START);
    }
    state = RowState.parse(JSON.parse(JSON.stringify(written.state)));
  }
  return lines;
}

const anyPoint = fc
  .tuple(
    fc.constantFrom("a", "b", "c", "_step", "system/x"),
    fc.oneof(fc.integer({ min: -3, max: 6 }), fc.constantFrom(2 ** 52, Number.MAX_SAFE_INTEGER)),
    fc.oneof(fc.double(), fc.constantFrom(Number.NaN, -0, Number.POSITIVE_INFINITY)),
    fc.integer({ min: 0, max: 3 }),
  )
  .map(([key, step, value, at]) => point(key, step, value, START + at));
const anyPoints = fc.array(anyPoint, { maxLength: 60 });
const anyPieces = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 20 });

describe("lines of a run", () => {
  test.each([
    ["history", addPoints],
    ["events", addEvents],
  ] as const)("of the %s are the same however the points come in pieces", (_, add) => {
    fc.assert(
      fc.property(anyPoints, anyPieces, (points, pieces) => {
        expect(file(points, pieces, add)).toEqual(file(points, [], add));
      }),
      { numRuns: 300 },
    );
  });

  test("hold each point once, in order, under a `_step` that rises", () => {
    fc.assert(
      fc.property(anyPoints, anyPieces, (points, pieces) => {
        const rows = file(points, pieces).map(parseLine);
        const steps = rows.map((row) => Number(row["_step"]));
        for (const [at, step] of steps.entries()) expect(step).toBeGreaterThan(steps[at - 1] ?? -1);
        const cells = rows.flatMap((row) =>
          Object.entries(row)
            .filter(([key]) => /^(a|b|c|pipekit\.key\/_step|system\/x)$/.test(key))
            .map(([key, value]) => [key.replace("pipekit.key/", ""), row["pipekit/step"], value]),
        );
        expect(cells).toEqual(points.map(({ key, step, value }) => [key, step, value]));
      }),
      { numRuns: 300 },
    );
  });

  test("join the points of one step, unless a key comes again", () => {
    const points = [point("a", 0, 1), point("b", 0, 2), point("a", 1, 3), point("a", 1, 4), point("b", 1, 5)];
    expect(file(points, [1, 1, 1, 1])).toEqual([
      '{"a":1,"b":2,"pipekit/step":0,"_step":0,"_timestamp":1760000000,"_runtime":0}',
      '{"a":3,"pipekit/step":1,"_step":1,"_timestamp":1760000000,"_runtime":0}',
      '{"a":4,"b":5,"pipekit/step":1,"_step":2,"_timestamp":1760000000,"_runtime":0}',
    ]);
  });

  test("know when a step had to be displaced", () => {
    const displaced = (...steps: number[]) =>
      addPoints(
        NO_ROWS,
        steps.map((step) => point("a", step, 1)),
      ).state.displaced;
    expect(displaced(0, 1, 5, 1000)).toBe(false);
    expect(displaced(3, 4)).toBe(false);
    expect(displaced(0, 0)).toBe(true);
    expect(displaced(5, 3)).toBe(true);
    expect(displaced(-1)).toBe(true);
  });

  test("are not written again when nothing joined them", () => {
    const first = addPoints(NO_ROWS, [point("a", 0, 1)]);
    const second = addPoints(first.state, [point("a", 1, 2)]);
    expect([first.offset, second.offset, second.rows.length]).toEqual([0, 1, 1]);
    const none = addPoints(second.state, []);
    expect([none.rows, none.state]).toEqual([[], second.state]);
  });

  test("stay short whatever is logged at one step", () => {
    const keys = Array.from({ length: 3000 }, (_, index) => `${"\u0001".repeat(50)}${index}`);
    const { state, rows } = addPoints(
      NO_ROWS,
      keys.map((key) => point(key, 7, 0.1)),
    );
    expect(JSON.stringify(state).length).toBeLessThan(26 * 1024);
    expect(rows.flatMap(({ cells }) => cells)).toHaveLength(keys.length);
  });
});
