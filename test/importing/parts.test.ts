import { checkMetricKey } from "@pipekit/proto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { artifactName, jsonValue, metricKey, RowCleaner } from "../../daemon/importing/clean.ts";
import { runIdOf, writerIdOf } from "../../daemon/importing/identity.ts";
import { KnownPoints } from "../../daemon/importing/known-points.ts";
import { flattenParams } from "../../daemon/journal/params.ts";

const RUN = {
  identity: "mlflow/1",
  id: "1",
  name: "",
  startedAtUs: 1.7e15,
  host: "",
  place: "",
  revision: "",
};
const values = fc.constantFrom(0, -0, 1, Number.NaN, Number.POSITIVE_INFINITY);
const point = fc.record({
  key: fc.constantFrom("a", "b"),
  step: fc.nat(2),
  timeUs: fc.nat(2),
  value: values,
});
type Point = typeof point extends fc.Arbitrary<infer P> ? P : never;

/** A journal with these points, and nothing else. */
function journalOf(points: readonly Point[]) {
  const chunk = (key: string) => {
    const own = points.filter((each) => each.key === key);
    return {
      key,
      steps: BigInt64Array.from(own, ({ step }) => BigInt(step)),
      timesUs: BigInt64Array.from(own, ({ timeUs }) => BigInt(timeUs)),
      values: Float64Array.from(own, ({ value }) => value),
      pointsInRange: own.length,
    };
  };
  return {
    series: async () => [],
    readMetrics: async function* () {
      for (const key of ["a", "b"]) yield chunk(key);
    },
  };
}

const nameOf = ({ key, step, timeUs, value }: Point) =>
  `${key} ${step} ${timeUs} ${Object.is(value, -0) ? "-0" : value}`;

test("of a source that has grown anywhere, what is new is told point by point", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(point), fc.array(point), fc.nat(), async (here, fresh, turn) => {
      const known = await KnownPoints.of(journalOf(here), { runId: "r", points: here.length }, () => {});
      const all = [...here, ...fresh];
      const source = all.map((_, i) => all[(i + turn) % all.length] as Point);
      const taken: string[] = [];
      for (const each of source) {
        const row = known.newOf({
          keys: [each.key],
          step: each.step,
          timeUs: each.timeUs,
          values: [each.value],
        });
        if (row !== undefined) taken.push(nameOf(each));
      }
      expect(taken.sort()).toEqual(fresh.map(nameOf).sort());
    }),
  );
});

test("of a run with very many points the first ones are known, and a source that is another one is told", async () => {
  const series = [{ key: "a", points: 2, lastStep: 7, lastValue: 1, minValue: 0, maxValue: 1 }];
  const journal = { ...journalOf([]), series: async () => series };
  const notes: string[] = [];
  const taken = async (steps: readonly number[]) => {
    const known = await KnownPoints.of(journal, { runId: "r", points: 1e6 }, (note) => notes.push(note));
    return steps.filter((step) => known.newOf({ keys: ["a"], step, timeUs: 0, values: [1] }) !== undefined);
  };
  expect(await taken([3, 7, 8])).toEqual([8]);
  expect(notes).toEqual([]);
  expect(await taken([3, 4, 7])).toEqual([7]);
  expect(notes).toHaveLength(1);
});

test("any key becomes one that the journal takes, and two never one", () => {
  const odd = fc.string({ unit: "binary", maxLength: 40 });
  fc.assert(
    fc.property(
      fc.oneof(
        odd,
        odd.map((text) => text.repeat(60)),
      ),
      odd,
      (a, b) => {
        expect(() => checkMetricKey(metricKey(a))).not.toThrow();
        expect(metricKey(a).isWellFormed()).toBe(true);
        if (a !== b) expect(metricKey(a)).not.toBe(metricKey(b));
      },
    ),
  );
});

test("rows that cannot be kept are counted, and a key that stands twice gets rows of its own", () => {
  const cleaner = new RowCleaner(() => {});
  const row = { keys: ["x", "x"], step: 1, timeUs: 2, values: [3, 4] };
  expect(cleaner.clean(row)).toEqual([
    { keys: ["x"], step: 1, timeUs: 2, values: [3] },
    { keys: ["x"], step: 1, timeUs: 2, values: [4] },
  ]);
  expect(cleaner.clean({ ...row, step: 0.5 })).toEqual([]);
  expect(cleaner.clean({ ...row, timeUs: Number.NaN })).toEqual([]);
  expect(cleaner.clean({ ...row, step: 2 ** 60 })).toEqual([]);
  expect(cleaner.lost).toBe(3);
});

test("ids are those of their run, and a writer that goes on is younger", () => {
  expect(runIdOf(RUN)).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
  expect(runIdOf({ ...RUN, name: "another", revision: "2" })).toBe(runIdOf(RUN));
  expect(runIdOf({ ...RUN, identity: "mlflow/2" })).not.toBe(runIdOf(RUN));
  expect(runIdOf({ ...RUN, startedAtUs: -1 })).toMatch(/^0{10}/);
  const first = writerIdOf(RUN);
  expect(writerIdOf(RUN, first) > first).toBe(true);
});

test("any params become JSON, and artifacts keep within their run", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.anything({ withBigInt: true })), (params) => {
      flattenParams(JSON.stringify(jsonValue(params)));
    }),
  );
  expect(artifactName("a//b/./c")).toBe("a/b/c");
  for (const name of ["", "..", "a/../../b", "/", "x".repeat(600)])
    expect(artifactName(name)).toBeUndefined();
});
