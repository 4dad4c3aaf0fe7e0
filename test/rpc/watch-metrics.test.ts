import {
  type Client,
  connect,
  type MetricSeries,
  type MetricUpdate,
  type RunWriter,
  type WatchMetricsQuery,
} from "@pipekit/experiment";
import type { WatchMetricsResponse } from "@pipekit/proto";
import fc from "fast-check";
import { ulid } from "ulid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { watchMetrics } from "../../daemon/rpc/metrics.ts";
import { frame, metrics, startRun, tempJournal } from "../journal/fixture.ts";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { FakeDaemon } from "../support/fake-daemon.ts";

/** The key whose point is logged last: a watcher that has it has all. */
const LAST = "z/last";

let daemon: TestDaemon;
let client: Client;

beforeAll(async () => {
  daemon = await startDaemon();
  client = await connect({ endpoint: daemon.endpoint });
});

afterAll(async () => {
  client.close();
  await daemon.stop();
});

type Points = { [key: string]: [step: number, value: number, timeUs: number][] };

function add(points: Points, series: readonly MetricSeries[]): void {
  for (const { key, steps, values, timesUs } of series) {
    const known = points[key] ?? [];
    points[key] = known;
    values.forEach((value, i) => {
      known.push([steps[i] ?? -1, value, timesUs[i] ?? -1]);
    });
  }
}

/** Gathers what a watch tells until its last point came. */
async function gather(updates: AsyncIterable<MetricUpdate>): Promise<Points> {
  let points: Points = {};
  for await (const { series, restart } of updates) {
    if (restart) points = {};
    add(points, series);
    if (points[LAST] !== undefined) return points;
  }
  throw new Error("the watch ended before the last point");
}

async function journaled(run: RunWriter, keys: readonly string[] = []): Promise<Points> {
  const points: Points = {};
  add(points, await client.readSeries(run.runId, { keys }));
  return points;
}

async function first(updates: AsyncGenerator<MetricUpdate>): Promise<MetricUpdate> {
  const { value } = await updates.next();
  await updates.return(undefined);
  return value;
}

test("whenever it begins and whatever is logged, a watch gives what the journal holds: no gap, no repeat", async () => {
  const key = fc.constantFrom("a", "b", "c/d");
  const step = fc.oneof(
    fc.record({ log: fc.integer({ min: 1, max: 40 }), key }),
    fc.record({ flush: fc.constant(true) }),
    fc.record({ watch: fc.subarray(["a", "b", "none"]) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const run = await client.startRun();
      const watches: { readonly keys: string[]; readonly points: Promise<Points> }[] = [];
      for (const step of steps) {
        if ("log" in step)
          for (let i = 0; i < step.log; i++) run.log({ [step.key]: i, ...(i % 3 === 0 && { a: -i }) });
        else if ("flush" in step) await run.flush();
        else {
          const keys = step.watch.length === 0 ? [] : [...step.watch, LAST];
          watches.push({ keys, points: gather(client.watchMetrics(run.runId, { keys })) });
        }
      }
      run.log({ [LAST]: 1 });
      await run.end();
      watches.push({ keys: [], points: gather(client.watchMetrics(run.runId)) });
      for (const { keys, points } of watches) expect(await points).toEqual(await journaled(run, keys));
    }),
    { numRuns: 40 },
  );
}, 30_000);

test("the updates begin with what is there, say when it is all told, and come at most 20 times a second", async () => {
  const run = await client.startRun();
  run.log({ loss: 2 }, 0);
  await run.flush();
  const updates = client.watchMetrics(run.runId);
  expect((await updates.next()).value).toMatchObject({
    live: false,
    restart: true,
    series: [{ key: "loss", pointsInRange: 1 }],
  });
  expect((await updates.next()).value).toEqual({ live: true, restart: false, series: [] });
  const began = performance.now();
  const logging = (async () => {
    for (let step = 1; step <= 100; step++) {
      run.log({ loss: step }, step);
      await run.flush();
    }
    run.log({ [LAST]: 0 });
    await run.end();
  })();
  const seen: number[] = [];
  let count = 0;
  for await (const { series, live, restart } of updates) {
    expect({ live, restart }).toEqual({ live: true, restart: false });
    count++;
    for (const { key, values } of series) if (key === "loss") seen.push(...values);
    if (series.some(({ key }) => key === LAST)) break;
  }
  await logging;
  expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  expect(count).toBeLessThanOrEqual((performance.now() - began) / 50 + 2);
});

test("what was there is thinned out so that peaks stay; what comes is whole", async () => {
  const run = await client.startRun();
  for (let step = 0; step < 5000; step++) run.log({ loss: step === 1234 ? 99 : step % 7 }, step);
  await run.flush();
  const updates = client.watchMetrics(run.runId, { maxPoints: 50 });
  const { series, live } = (await updates.next()).value as MetricUpdate;
  expect(live).toBe(false);
  expect(series).toMatchObject([{ key: "loss", pointsInRange: 5000 }]);
  expect(series[0]?.values.length).toBeLessThanOrEqual(50);
  expect(Math.max(...(series[0]?.values ?? []))).toBe(99);
  expect((await updates.next()).value).toMatchObject({ live: true, series: [] });
  for (let step = 5000; step < 5300; step++) run.log({ loss: step }, step);
  run.log({ [LAST]: 0 }, 5300);
  await run.end();
  const { loss = [] } = await gather(updates);
  expect(loss.map(([step]) => step)).toEqual(Array.from({ length: 300 }, (_, i) => 5000 + i));
});

test("a slow taker gets more at a time, and nothing waits for it but a position", async () => {
  const journal = await tempJournal();
  const { runId, writerId } = await startRun(journal);
  const stop = new AbortController();
  const updates = watchMetrics(journal, { runId, keys: [], maxPoints: 0 }, stop.signal);
  expect((await updates.next()).value).toEqual({ live: true, series: [] });
  for (let seq = 2; seq < 202; seq++) {
    await journal.append(frame(runId, writerId, seq, metrics({ x: [seq], y: [seq] }, seq)), []);
  }
  const { value } = (await updates.next()) as { value: WatchMetricsResponse };
  expect(value.series.map(({ key, pointsInRange }) => [key, pointsInRange])).toEqual([
    ["x", 200],
    ["y", 200],
  ]);
  stop.abort();
  expect((await updates.next()).done).toBe(true);
});

test("many points come in messages of a size that every client takes", async () => {
  const journal = await tempJournal();
  const { runId, writerId } = await startRun(journal);
  const keys = Array.from({ length: 40 }, (_, i) => `k${String(i).padStart(1000, "0")}`);
  for (let seq = 2; seq < 12; seq++) {
    const values = Object.fromEntries(keys.map((key) => [key, Array.from({ length: 1000 }, () => seq)]));
    await journal.append(frame(runId, writerId, seq, metrics(values, seq)), []);
  }
  let points = 0;
  for await (const { series, live } of watchMetrics(
    journal,
    { runId, keys: [], maxPoints: 0 },
    AbortSignal.timeout(10_000),
  )) {
    if (live) break;
    const bytes = series.reduce((sum, { key, values }) => sum + key.length + values.length * 3, 0);
    expect(bytes).toBeLessThanOrEqual(3 * 1024 * 1024);
    points += series.reduce((sum, { values }) => sum + values.length / 8, 0);
  }
  expect(points).toBe(400_000);
});

test("a run that is resumed goes on in the same watch", async () => {
  const run = await client.startRun();
  run.log({ loss: 1 }, 0);
  await run.end();
  const points = gather(client.watchMetrics(run.runId));
  const more = await client.startRun({ runId: run.runId, resume: true });
  more.log({ loss: 2 });
  more.log({ [LAST]: 0 });
  await more.end();
  expect((await points)["loss"]?.map(([step, value]) => [step, value])).toEqual([
    [0, 1],
    [1, 2],
  ]);
});

test("a watch that cannot be says why, by name", async () => {
  const run = await client.startRun();
  run.log({ loss: 1 });
  await run.end();
  const refusal = (id: string, query: WatchMetricsQuery = {}) => first(client.watchMetrics(id, query));
  await expect(refusal(ulid())).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  await expect(refusal(run.runId, { maxPoints: 3 })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    field: "max_points",
  });
  const absent = await first(client.watchMetrics(run.runId, { keys: ["absent"] }));
  expect(absent).toEqual({ series: [], live: true, restart: true });
  const prune = { runIds: [run.runId], apply: true, withoutSinks: true };
  for await (const _ of client.delivery.prune(prune));
  await expect(refusal(run.runId)).rejects.toMatchObject({ code: "RUN_PRUNED" });

  const fake = await new FakeDaemon().start();
  const old = await connect({ endpoint: fake.endpoint });
  await expect(first(old.watchMetrics(run.runId))).rejects.toMatchObject({
    code: "PROTOCOL_MISMATCH",
    field: "watch_metrics",
  });
  old.close();
  fake.remove();
});

test("an abort ends the watch with its reason", async () => {
  const run = await client.startRun();
  const stop = new AbortController();
  const updates = client.watchMetrics(run.runId, { signal: stop.signal });
  await updates.next();
  stop.abort(new Error("enough"));
  await expect(updates.next()).rejects.toThrow("enough");
  await run.end();
});

test("over a daemon that was killed the watch begins anew and tells all", async () => {
  const home = temporaryHome();
  let own = await startDaemon({ home });
  const watching = await connect({ endpoint: own.endpoint });
  const writing = await connect({ endpoint: own.endpoint });
  const run = await writing.startRun();
  run.log({ loss: 1 }, 0);
  await run.flush();
  const updates = watching.watchMetrics(run.runId);
  const points: Points = {};
  while (points["loss"] === undefined) add(points, ((await updates.next()).value as MetricUpdate).series);
  await own.kill9();
  run.log({ loss: 2 }, 1);
  own = await startDaemon({ home });
  run.log({ loss: 3 }, 2);
  run.log({ [LAST]: 0 }, 3);
  await run.end();
  let restarts = 0;
  const counted = (async function* () {
    for await (const update of updates) {
      if (update.restart) restarts++;
      yield update;
    }
  })();
  expect((await gather(counted))["loss"]?.map(([, value]) => value)).toEqual([1, 2, 3]);
  expect(restarts).toBe(1);
  watching.close();
  writing.close();
  await own.stop();
}, 30_000);
