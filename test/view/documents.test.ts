import fc from "fast-check";
import { expect, test } from "vitest";
import { headlineOf } from "../../daemon/view/documents/headline.ts";
import { jsonNumber } from "../../daemon/view/documents/numbers.ts";
import { parsedText, webAddress } from "../../daemon/view/documents/texts.ts";
import { Points } from "../../daemon/view/points.ts";

test("every number stands in JSON, and is told apart there", () => {
  fc.assert(
    fc.property(fc.double(), (value) => {
      const read: unknown = JSON.parse(JSON.stringify(jsonNumber(value)));
      expect(Object.is(Number(read), value) || Number(read) === value).toBe(true);
    }),
  );
});

test("only addresses of the web are addresses, and none tells a password", () => {
  expect(webAddress("https://user:secret@host/run/1?q=a b")).toBe("https://host/run/1?q=a%20b");
  for (const text of [
    "",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "data:text/html,x",
    "/run/1",
    "ht tp://x",
  ]) {
    expect(webAddress(text)).toBe("");
  }
  expect([parsedText(""), parsedText("{"), parsedText("[1]"), parsedText("", null)]).toEqual([
    {},
    "{",
    [1],
    null,
  ]);
});

test("people look at a loss first, then at a score, and never first at the system", () => {
  const of = (...keys: string[]) =>
    headlineOf(keys.map((key) => ({ key, points: 1, lastStep: 3, lastValue: 2, minValue: 2, maxValue: 2 })))
      ?.key;
  expect(of("accuracy", "lr", "train/loss", "loss")).toBe("loss");
  expect(of("lr", "val/accuracy", "f1")).toBe("f1");
  expect(of("lr", "system/cpu")).toBe("lr");
  expect(of("system/cpu")).toBeUndefined();
});

const column = (values: readonly number[]) => Float64Array.from(values);

test("a stretch that begins with NaN keeps its peaks", () => {
  const points = new Points();
  const values = [Number.NaN, 3, 1, Number.NaN, 7, 2];
  const steps = values.map((_, i) => i);
  points.add([
    { key: "a", steps: column(steps), values: column(values), timesUs: column(steps), pointsInRange: 6 },
  ]);
  expect(points.takeLive(4)[0]?.values).toEqual([3, 1, 7, 2]);
});

test("points that come in parts are told in their order, few enough, with the peaks of each metric", () => {
  const part = fc.record({
    key: fc.constantFrom("a", "b"),
    values: fc.array(fc.double({ noDefaultInfinity: false }), { maxLength: 40 }),
  });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.integer({ min: 4, max: 30 }), (parts, most) => {
      const points = new Points();
      const logged = new Map<string, number[]>();
      for (const { key, values } of parts) {
        const known = logged.get(key) ?? [];
        const steps = values.map((_, i) => known.length + i);
        logged.set(key, [...known, ...values]);
        points.add([
          {
            key,
            steps: column(steps),
            values: column(values),
            timesUs: column(steps),
            pointsInRange: values.length,
          },
        ]);
      }
      const told = points.takeLive(most);
      expect(points.isEmpty).toBe(true);
      expect(told.map(({ key }) => key)).toEqual([...logged.keys()]);
      for (const { key, steps, values, timesUs, pointsInRange } of told) {
        const all = logged.get(key) ?? [];
        expect(pointsInRange).toBe(all.length);
        expect(values.length).toBeLessThanOrEqual(Math.max(most, 0));
        expect(timesUs).toEqual(steps);
        expect(steps).toEqual([...steps].sort((a, b) => a - b));
        expect(values).toEqual(steps.map((step) => jsonNumber(all[step] ?? 0)));
        if (all.length <= most) expect(values).toHaveLength(all.length);
        const numbers = all.filter((value) => !Number.isNaN(value));
        const kept = steps.map((step) => all[step] ?? 0).filter((value) => !Number.isNaN(value));
        if (numbers.length > 0) {
          expect([Math.min(...kept), Math.max(...kept)]).toEqual([
            Math.min(...numbers),
            Math.max(...numbers),
          ]);
        }
      }
    }),
  );
});
