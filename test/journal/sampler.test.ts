import fc from "fast-check";
import { expect, test } from "vitest";
import { Sampler } from "../../daemon/journal/sampler.ts";

interface Point {
  readonly step: number;
  readonly value: number;
}

/** Down-samples values whose steps are their indices. */
function sample(values: readonly number[], maxPoints: number): Point[] {
  const sampler = new Sampler("loss", values.length, maxPoints);
  for (const [i, value] of values.entries()) sampler.add(i, 0, value, i, 0);
  const columns = sampler.take();
  expect(columns.timesUs).toEqual(columns.steps);
  return Array.from(columns.values, (value, i) => ({ step: Number(columns.steps[i]), value }));
}

const value = fc.oneof(
  { weight: 5, arbitrary: fc.double() },
  { weight: 2, arbitrary: fc.constantFrom(Number.NaN, 0, 1, Number.POSITIVE_INFINITY) },
);
const series = fc.array(value, { maxLength: 300 });
const maxPoints = fc.integer({ min: 4, max: 320 });

test("never more points than asked for, all of them real, in order, first and last among them", () => {
  fc.assert(
    fc.property(series, maxPoints, (values, most) => {
      const kept = sample(values, most);
      expect(kept.length).toBeLessThanOrEqual(most);
      kept.forEach(({ step, value: found }, i) => {
        expect(found).toBe(values[step]);
        if (i > 0) expect(step).toBeGreaterThan(kept[i - 1]?.step ?? Number.NaN);
      });
      if (values.length > 0) {
        expect(kept[0]?.step).toBe(0);
        expect(kept.at(-1)?.step).toBe(values.length - 1);
      }
      if (values.length <= most) expect(kept).toHaveLength(values.length);
    }),
  );
});

test("the smallest and the largest value of every bucket are kept, and a NaN only where nothing else is", () => {
  fc.assert(
    fc.property(series, maxPoints, (values, most) => {
      fc.pre(values.length > most);
      const kept = sample(values, most);
      const buckets = Math.floor((most - 2) / 2);
      for (let bucket = 0; bucket < buckets; bucket++) {
        const from = Math.ceil((bucket * values.length) / buckets);
        const to = Math.ceil(((bucket + 1) * values.length) / buckets);
        const inBucket = kept.filter(({ step }) => step >= from && step < to).map((point) => point.value);
        const numbers = values.slice(from, to).filter((one) => !Number.isNaN(one));
        const inner = inBucket.slice(bucket === 0 ? 1 : 0, bucket === buckets - 1 ? -1 : undefined);
        if (numbers.length === 0) {
          expect(inBucket.length).toBeGreaterThan(0);
        } else {
          const found = inBucket.filter((one) => !Number.isNaN(one));
          expect(Math.min(...found)).toBe(Math.min(...numbers));
          expect(Math.max(...found)).toBe(Math.max(...numbers));
          const innerNumbers = values.slice(
            from + (bucket === 0 ? 1 : 0),
            to - (bucket === buckets - 1 ? 1 : 0),
          );
          if (innerNumbers.some((one) => !Number.isNaN(one))) expect(inner.some(Number.isNaN)).toBe(false);
        }
      }
    }),
  );
});
