import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareLines, flatten } from "../../clients/page/src/flatten.ts";
import {
  formatAge,
  formatBytes,
  formatDuration,
  formatTick,
  formatValue,
  sinkLag,
} from "../../clients/page/src/format.ts";
import { KnownRuns } from "../../clients/page/src/known-runs.ts";
import { rowAfterKey, rowsInSight, scrollToRow } from "../../clients/page/src/lists/window.ts";
import { modelBefore } from "../../clients/page/src/rollback.ts";
import { formatRoute, parseRoute, type Route } from "../../clients/page/src/router.ts";
import { hashOf, madeBrief, madeMove, madeSink, runId } from "./made-up.ts";

describe("the router", () => {
  const word = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });
  const registry = fc.oneof(fc.constant(""), word);
  const route: fc.Arbitrary<Route> = fc.oneof(
    fc.constant({ view: "runs" } as const),
    fc.record({ view: fc.constant("run" as const), runId: word }),
    fc.record({ view: fc.constant("models" as const), registry }),
    fc.record({ view: fc.constant("model" as const), ref: word, registry }),
    fc.record({ view: fc.constant("tag" as const), name: word, registry }),
    fc.record({ view: fc.constant("dead-letters" as const), runId: fc.oneof(fc.constant(""), word) }),
  );

  test("reads back every address that it writes", () => {
    fc.assert(
      fc.property(route, (place) => {
        expect(parseRoute(formatRoute(place))).toEqual(place);
      }),
    );
  });

  test("never throws, and knows no place that is none", () => {
    fc.assert(fc.property(fc.string(), (text) => void parseRoute(`#/${text}`)));
    for (const none of [
      "#/run",
      "#/run/",
      "#/compare/",
      "#/compare/,",
      "#/elsewhere",
      "#/model/%",
      "#/runs/x",
    ]) {
      expect(parseRoute(none), none).toBeUndefined();
    }
  });

  test("compares each run once, and as many as a chart can tell apart", () => {
    expect(parseRoute("#/compare/a,b,a,")).toEqual({ view: "compare", runIds: ["a", "b"] });
    const many = Array.from({ length: 40 }, (_, index) => runId(index));
    expect(parseRoute(formatRoute({ view: "compare", runIds: many }))).toMatchObject({
      runIds: many.slice(0, 12),
    });
  });
});

describe("what people read", () => {
  test.each([
    [0, "0"],
    [1234567, "1,234,567"],
    [0.43123456, "0.43123"],
    [-12345.678, "-12,345.7"],
    [3.2e-7, "3.2e-7"],
    [1e12, "1e+12"],
    ["NaN", "NaN"],
    ["-Infinity", "-Infinity"],
    [Number.NaN, "NaN"],
  ] as const)("%s is %s", (value, text) => expect(formatValue(value)).toBe(text));

  test("sizes, times and ticks", () => {
    expect([0, 999, 1500, 123_456, 7e12].map(formatBytes)).toEqual([
      "0 B",
      "999 B",
      "1.5 kB",
      "123 kB",
      "7.0 TB",
    ]);
    const lengths = [850e3, 42e6, 200e6, 3600e6, 5.5 * 3600e6, 12 * 86_400e6];
    expect(lengths.map(formatDuration)).toEqual([
      "850 ms",
      "42 s",
      "3 min 20 s",
      "1 h",
      "5 h 30 min",
      "12 d",
    ]);
    expect([formatAge(0, 9e6), formatAge(8e6, 9e6), formatAge(1e6, 14e6)]).toEqual([
      "",
      "just now",
      "13 s ago",
    ]);
    expect([1500, 15_000, 2_500_000, 0.5].map(formatTick)).toEqual(["1,500", "15k", "2.5M", "0.5"]);
  });

  test("lag of a sink", () => {
    expect(sinkLag(madeSink(), 0)).toBe("up to date");
    expect(sinkLag(madeSink({ state: "done" }), 0)).toBe("complete");
    expect(sinkLag(madeSink({ pendingSinceUs: 1e6 }), 61e6)).toBe("1 min behind");
  });
});

describe("a long list", () => {
  test("has the rows in sight, and some more", () => {
    expect(rowsInSight(0, 100, 10, 1000, 2)).toEqual({ first: 0, end: 12 });
    expect(rowsInSight(500, 95, 10, 1000, 2)).toEqual({ first: 48, end: 62 });
    expect(rowsInSight(9999, 100, 10, 5, 2)).toEqual({ first: 5, end: 5 });
    expect(rowsInSight(0, 0, 10, 0, 2)).toEqual({ first: 0, end: 0 });
  });

  test("moves by keys and scrolls as little as it must", () => {
    const after = (key: string) => rowAfterKey(key, 5, 100, 10);
    expect(["ArrowDown", "ArrowUp", "PageDown", "PageUp", "Home", "End", "x"].map(after)).toEqual([
      6,
      4,
      15,
      0,
      0,
      99,
      undefined,
    ]);
    expect(rowAfterKey("ArrowDown", 0, 0, 10)).toBeUndefined();
    expect([3, 7, 15].map((index) => scrollToRow(index, 50, 100, 10))).toEqual([30, 50, 60]);
  });
});

describe("known runs", () => {
  test("are newest first, found by every word, and told when they change", () => {
    const known = new KnownRuns();
    const told: number[] = [];
    const stop = known.onChange((changed) => told.push(changed.length));
    known.take([madeBrief(1, { tags: { team: "Sky" } }), madeBrief(3), madeBrief(2, { state: "failed" })]);
    expect(known.list().map(({ name }) => name)).toEqual(["run 3", "run 2", "run 1"]);
    expect(known.list({ text: "RUN team=sky", state: "" }).map(({ name }) => name)).toEqual(["run 1"]);
    expect(known.list({ text: "", state: "failed" }).map(({ name }) => name)).toEqual(["run 2"]);
    expect(known.list({ text: runId(3).toLowerCase(), state: "" })).toHaveLength(1);
    stop();
    known.take([madeBrief(4)]);
    expect(told).toEqual([3]);
  });

  test("keep a headline that a later word of the run leaves out", () => {
    const known = new KnownRuns();
    const headline = { key: "loss", step: 1, value: 0.5 };
    known.take([madeBrief(1, { headline })]);
    known.take([madeBrief(1, { points: 9 })]);
    expect(known.get(runId(1))).toMatchObject({ points: 9, headline });
  });

  test("of another daemon's folder go only when the new list is whole", () => {
    const known = new KnownRuns();
    known.take([madeBrief(1), madeBrief(2)]);
    known.lookAnew();
    known.take([madeBrief(2)]);
    expect(known.size).toBe(2);
    known.forgetUnseen();
    expect(known.list().map(({ runId }) => runId)).toEqual([runId(2)]);
    known.forgetUnseen();
    expect(known.size).toBe(1);
  });
});

describe("documents as lines", () => {
  test("have each leaf with the way to it", () => {
    const document = { a: { b: [1, "x"], c: {} }, d: null, e: true };
    expect(flatten(document)).toEqual([
      ["a.b.0", "1"],
      ["a.b.1", "x"],
      ["a.c", "{}"],
      ["d", "null"],
      ["e", "true"],
    ]);
    expect([flatten({}), flatten(null), flatten(undefined)]).toEqual([[], [], []]);
  });

  test("side by side tell where they differ", () => {
    const lines = compareLines([flatten({ lr: 1, seed: 3 }), flatten({ lr: 2, seed: 3, extra: "y" })]);
    expect(lines).toEqual([
      { path: "extra", values: [undefined, "y"], same: false },
      { path: "lr", values: ["1", "2"], same: false },
      { path: "seed", values: ["3", "3"], same: true },
    ]);
  });
});

test("a rollback leads past deletions, and past the model that the tag has now", () => {
  const [a, b] = [hashOf("a"), hashOf("b")];
  expect(modelBefore([madeMove(2, b, a), madeMove(1, a, "")])).toBe(a);
  expect(modelBefore([madeMove(4, b, ""), madeMove(3, "", b), madeMove(2, b, a), madeMove(1, a, "")])).toBe(
    a,
  );
  expect(modelBefore([madeMove(2, "", a), madeMove(1, a, "")])).toBe(a);
  expect(modelBefore([madeMove(1, a, "")])).toBeUndefined();
  expect(modelBefore([])).toBeUndefined();
});
