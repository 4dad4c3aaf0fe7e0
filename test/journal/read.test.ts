import type { Record } from "@pipekit/proto";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  CURSOR_START,
  type Cursor,
  itemCount,
  type MetricQuery,
  type SeriesChunk,
} from "../../daemon/journal/index.ts";
import { end, frame, metrics, newId, params, startRun, tags, tempJournal } from "./fixture.ts";

/** The chunks of a read joined by key. */
async function read(chunks: AsyncIterable<SeriesChunk>) {
  const byKey: { [key: string]: { steps: number[]; values: number[]; timesUs: number[]; inRange: number } } =
    {};
  let longest = 0;
  for await (const chunk of chunks) {
    byKey[chunk.key] ??= { steps: [], values: [], timesUs: [], inRange: chunk.pointsInRange };
    const series = byKey[chunk.key];
    series?.steps.push(...Array.from(chunk.steps, Number));
    series?.values.push(...chunk.values);
    series?.timesUs.push(...Array.from(chunk.timesUs, Number));
    longest = Math.max(longest, chunk.values.length);
  }
  return { byKey, longest };
}

test("records come from the cursor on, however often and wherever the reading stops", async () => {
  const journal = await tempJournal();
  const { runId, writerId } = await startRun(journal);
  const other = await startRun(journal);
  await journal.append(
    frame(runId, writerId, 2, params({ a: 1 }), metrics({ x: [1, 2, 3], y: [4, 5, 6] }), tags({})),
    [],
  );
  await journal.append(frame(other.runId, other.writerId, 2, metrics({ x: [9] })), []);
  await journal.append(frame(runId, writerId, 3, metrics({ x: [7] }), metrics({ x: [8, 9] })), []);
  await journal.append(frame(runId, writerId, 4, end()), []);
  const items = ["start", "params", "0", "1", "2", "3", "4", "5", "tags", "6", "7", "8", "end"];

  const name = (record: Record, before: number, item: number) =>
    record.record?.$case === "metrics" ? String(before + item) : record.record?.$case;

  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 }),
      async (strides) => {
        // A consumer that takes a few items at a time and starts again from its cursor after each time.
        const taken: (string | undefined)[] = [];
        let cursor: Cursor = CURSOR_START;
        let points = 0;
        for (let i = 0; ; i++) {
          const found = await journal.readRecords(runId, cursor, strides[i % strides.length] ?? 1);
          if (found.length === 0) break;
          let left = strides[i % strides.length] ?? 1;
          for (const { record, position, itemsBefore, skip, last } of found) {
            const count = itemCount(record);
            for (let item = skip; item < count && left > 0; item++, left--) {
              taken.push(name(record, points - skip, item));
              const done = last && item === count - 1;
              cursor = done
                ? { position, offset: 0 }
                : { position: cursor.position, offset: itemsBefore + item + 1 };
              if (item === count - 1 && record.record?.$case === "metrics") points += count - skip;
              else if (left === 1 && record.record?.$case === "metrics") points += item + 1 - skip;
            }
          }
        }
        expect(taken).toEqual(items);
      },
    ),
    { numRuns: 40 },
  );
  expect(await journal.readRecords(runId, { position: 6, offset: 0 }, 10)).toEqual([]);
  const behindAll = await journal.readRecords(runId, { position: 1, offset: 8 }, 1);
  expect(behindAll.map(({ position, skip }) => [position, skip])).toEqual([
    [5, 0],
    [5, 0],
  ]);
  await expect(journal.readRecords(newId(), CURSOR_START, 1)).rejects.toMatchObject({
    code: "RUN_NOT_FOUND",
  });
});

test("metrics come back exact, by key and range of steps, with the points in the range", async () => {
  const journal = await tempJournal();
  const { runId, writerId } = await startRun(journal);
  const huge = 2 ** 53 - 20;
  await journal.append(frame(runId, writerId, 2, metrics({ a: [1, Number.NaN, 3], b: [4, 5, 6] }, -1)), []);
  await journal.append(frame(runId, writerId, 3, metrics({ b: [-0, Number.POSITIVE_INFINITY] }, huge)), []);
  const get = async (query: Partial<MetricQuery>) =>
    (await read(journal.readMetrics({ runId, keys: [], maxPoints: 0, ...query }))).byKey;
  expect(await get({})).toEqual({
    a: {
      steps: [-1, 0, 1],
      values: [1, Number.NaN, 3],
      timesUs: [999_999, 1_000_000, 1_000_001],
      inRange: 3,
    },
    b: {
      steps: [-1, 0, 1, huge, huge + 1],
      values: [4, 5, 6, -0, Number.POSITIVE_INFINITY],
      timesUs: [999_999, 1_000_000, 1_000_001, huge + 1_000_000, huge + 1_000_001].map(Number),
      inRange: 5,
    },
  });
  expect(Object.keys(await get({ keys: ["b", "none"] }))).toEqual(["b"]);
  expect(await get({ fromStep: 1 })).toMatchObject({
    a: { steps: [1], inRange: 1 },
    b: { steps: [1, huge, huge + 1], inRange: 3 },
  });
  expect(await get({ fromStep: 0, toStep: 0, keys: ["a"] })).toMatchObject({ a: { steps: [0], inRange: 1 } });
  expect(await get({ fromStep: 5, toStep: 6 })).toEqual({});
  await expect(get({ maxPoints: 3 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(get({ runId: newId() })).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
});

test("a long series streams in chunks of at most 65,536 points, or comes down-sampled, while the run goes on", async () => {
  const journal = await tempJournal();
  const { runId, writerId } = await startRun(journal);
  const values = Array.from({ length: 80_000 }, (_, i) => Math.sin(i));
  values[77_777] = 5;
  await journal.append(frame(runId, writerId, 2, metrics({ a: values })), []);
  await journal.append(frame(runId, writerId, 3, metrics({ a: values, b: values }, 80_000)), []);
  const chunks = journal.readMetrics({ runId, keys: [], maxPoints: 0 })[Symbol.asyncIterator]();
  const first = await chunks.next();
  await journal.append(frame(runId, writerId, 4, metrics({ a: [99] }, 160_000)), []);
  const { byKey, longest } = await read(
    (async function* () {
      if (!first.done) yield first.value;
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
    })(),
  );
  expect(longest).toBe(65_536);
  expect(byKey["a"]?.values).toEqual([...values, ...values]);
  expect(byKey["a"]?.steps.at(-1)).toBe(159_999);
  expect(byKey["b"]?.values).toEqual(values);
  const sampled = (await read(journal.readMetrics({ runId, keys: [], maxPoints: 50, toStep: 159_999 })))
    .byKey;
  expect(sampled["a"]?.steps.length).toBeLessThanOrEqual(50);
  expect(sampled["a"]?.values.filter((one) => one === 5)).toHaveLength(2);
  expect(sampled["a"]).toMatchObject({ inRange: 160_000 });
  expect(sampled["a"]?.steps.at(-1)).toBe(159_999);
  expect(sampled["b"]).toMatchObject({ inRange: 80_000 });
});
