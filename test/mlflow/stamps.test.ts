import fc from "fast-check";
import { expect, test } from "vitest";
import { Stamps } from "../../adapters/mlflow/stamps.ts";

type Point = readonly [key: string, step: number, value: number, timeUs: number];

function send(stamps: Stamps, batch: readonly Point[]): number[] {
  stamps.beginBatch();
  return batch.map((point) => stamps.stampMs(...point));
}

test("times are whole milliseconds, rounded down", () => {
  expect(send(new Stamps(), [["a", 0, 1, 1_999_999]])).toEqual([1999]);
});

test("points that MLflow would merge are moved apart, and the same way again", () => {
  const batch: Point[] = [
    ["a", 0, 1, 5000],
    ["a", 0, 1, 5300],
    ["a", 0, 1, 5300],
    ["a", 1, 1, 5300],
    ["a", 0, 2, 5300],
    ["b", 0, 1, 5300],
  ];
  const stamps = new Stamps();
  const first = send(stamps, batch);
  expect(first).toEqual([5, 6, 7, 5, 5, 5]);
  expect(send(stamps, batch)).toEqual(first);
  expect(send(new Stamps(), batch)).toEqual(first);
  expect(stamps.takeMoved()).toBe("a");
  expect(stamps.takeMoved()).toBeUndefined();
});

test("NaN, infinities and zeros are told apart as MLflow's store does", () => {
  const at = (value: number): Point => ["a", 0, value, 0];
  const values = [
    Number.NaN,
    0,
    -0,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.MAX_VALUE,
    Number.NEGATIVE_INFINITY,
  ];
  expect(send(new Stamps(), values.map(at))).toEqual([0, 0, 1, 1, 0, 1, 0]);
});

test("no two points of a run share a place, and a replay in other pieces adds none", () => {
  const point = fc.tuple(
    fc.constantFrom("a", "b"),
    fc.nat({ max: 1 }),
    fc.nat({ max: 1 }),
    fc.nat({ max: 4000 }),
  );
  fc.assert(
    fc.property(
      fc.uniqueArray(point, { selector: String, maxLength: 60 }),
      fc.nat({ max: 60 }),
      (points, cut) => {
        const stamps = new Stamps();
        const place = (batch: readonly Point[]) =>
          send(stamps, batch).map((ms, index) => `${batch[index]?.slice(0, 3)} ${ms}`);
        const first = [...place(points.slice(0, cut)), ...place(points.slice(cut))];
        expect(new Set(first).size).toBe(points.length);
        expect(place(points.slice(cut >> 1))).toEqual(first.slice(cut >> 1));
      },
    ),
  );
});

test("memory is bounded", () => {
  const stamps = new Stamps();
  const rounds = 40;
  for (let round = 0; round < rounds; round++) {
    send(
      stamps,
      Array.from({ length: 1000 }, (_, index): Point => ["k", index, round, round * 1e6]),
    );
  }
  expect(send(stamps, [["k", 0, 0, 500]])).toEqual([0]);
});

test("very many equal points, logged faster than milliseconds pass, all find a place of their own, and soon", () => {
  const stamps = new Stamps();
  const places = new Set<number>();
  const began = performance.now();
  for (let batch = 0; batch < 50; batch++) {
    // A thousand points in a millisecond.
    const points = Array.from({ length: 1000 }, (_, i): Point => ["lr", 0, 0.1, batch * 1000 + i]);
    for (const ms of send(stamps, points)) places.add(ms);
  }
  expect(places.size).toBe(50_000);
  // Each trying all places of those before it, they took tens of seconds of the daemon's only thread.
  expect(performance.now() - began).toBeLessThan(2000);
});
