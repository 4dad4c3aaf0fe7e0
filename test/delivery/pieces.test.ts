import type { SinkRecord } from "@pipekit/adapters/tracker";
import { type MetricColumns, PipekitError, packRows } from "@pipekit/proto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { flattenJson } from "../../daemon/delivery/index.ts";
import { PointWalker } from "../../daemon/delivery/points.ts";
import { eachPoint } from "../support/points.ts";
import { Room } from "./room.ts";

test("params are flattened", () => {
  const nested = { a: 1, b: { c: "x", d: { e: null, f: [1, { g: 2 }] } }, h: {}, i: true, j: 0.001, k: "" };
  expect(flattenJson(JSON.stringify(nested))).toEqual({
    a: "1",
    "b.c": "x",
    "b.d.e": "null",
    "b.d.f": '[1,{"g":2}]',
    h: "{}",
    i: "true",
    j: "0.001",
    k: "",
  });
  expect(flattenJson("")).toEqual({});
  expect(Object.entries(flattenJson('{"__proto__": 1, "a": {"__proto__": 2}}'))).toEqual([
    ["__proto__", "1"],
    ["a.__proto__", "2"],
  ]);
  expect(() => flattenJson("[1]")).toThrow(TypeError);
});

test("specs are made canonical, once each", () => {
  const { delivery } = new Room();
  expect(delivery.canonicalSpecs(["fake:A/x", "FAKE:a/X", "fake+x:b"])).toEqual(["fake:a/x", "fake:b"]);
});

test.each([
  ["fake:ok", "fake:", "sinks[1]", /names no endpoint/, /Write fake:host\/name/],
  ["fake:ok", "http://user:secret@host", "sinks[1]", /scheme `http`/, /`fake:`, `fake\+x:`/],
  ["just a name with secret", "fake:ok", "sinks[0]", /does not begin with a scheme/, /`fake:`/],
])("the wrong spec among %s and %s is told", (first, second, field, message, mend) => {
  const { delivery } = new Room();
  const wrong = () => delivery.canonicalSpecs([first, second]);
  expect(wrong).toThrow(PipekitError);
  try {
    wrong();
  } catch (error) {
    if (!(error instanceof PipekitError)) throw error;
    expect([error.code, error.field]).toEqual(["INVALID_TRACKER_SPEC", field]);
    expect(error.message).toMatch(message);
    expect(error.mend).toMatch(mend);
    expect(`${error.message} ${error.mend}`).not.toContain("secret");
  }
});

test("walking columns in pieces gives every point once, from any start", () => {
  const rows = fc.array(fc.record({ width: fc.nat(4), step: fc.maxSafeInteger(), value: fc.double() }));
  fc.assert(
    fc.property(rows, fc.nat(40), fc.integer({ min: 1, max: 7 }), (shape, start, piece) => {
      const sets = [[], ["a"], ["a", "ü"], ["x", "y", "z"], ["p", "q", "r", "s"]];
      const columns: MetricColumns = packRows(
        shape.map(({ width, step, value }) => {
          const keys = sets[width] ?? [];
          return { keys, step, timeUs: step, values: keys.map((_, index) => value + index) };
        }),
      );
      const all: SinkRecord[] = [];
      eachPoint(columns, (key, step, value, timeUs) => all.push({ kind: "point", key, step, value, timeUs }));
      const skip = Math.min(start, all.length);
      const walker = new PointWalker(columns, skip);
      const walked: SinkRecord[] = [];
      while (!walker.done) {
        const into: SinkRecord[] = [];
        walker.take(into, piece, Number.POSITIVE_INFINITY);
        expect(into.length).toBeGreaterThan(0);
        walked.push(...into);
      }
      expect(walked).toEqual(all.slice(skip));
    }),
  );
});
