/**
 * Many runs, many writers, and many undelivered points at the start of the daemon. Small by default; with
 * `$PKX_FAULT_SCALE` at full size: 10,000 runs with a sink each, 50 writers, 10 million points.
 */
import { rmSync } from "node:fs";
import { type Client, connect } from "@pipekit/experiment";
import { ulid } from "ulid";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { answer } from "../support/fake-http.ts";
import { type FakeMlflow, startFakeMlflow } from "../support/fake-mlflow.ts";
import { memoryOf } from "../support/memory.ts";
import { framesOfRun, sendFrames } from "./flood.ts";
import { damageOf, mlflowDamage, until } from "./trainer.ts";

const FULL = process.env["PKX_FAULT_SCALE"] !== undefined;
const RUNS = FULL ? 10_000 : 200;
const WRITERS = FULL ? 50 : 8;
const POINTS = FULL ? 10_000_000 : 200_000;
const POINTS_A_RUN = 10;
const MINUTE_MS = 60_000;
const NONE = { lost: 0, doubled: 0, misplaced: 0 };

let home: string;
let mlflow: FakeMlflow;

beforeEach(async () => {
  home = temporaryHome();
  mlflow = await startFakeMlflow();
  mlflow.http.remember = false;
});

afterEach(async () => {
  await mlflow.close();
  rmSync(home, { recursive: true, force: true });
});

interface Started {
  readonly daemon: TestDaemon;
  readonly client: Client;
  readonly readyMs: number;
}

async function start(): Promise<Started> {
  const began = performance.now();
  const daemon = await startDaemon({ home, timeoutMs: MINUTE_MS });
  const readyMs = performance.now() - began;
  return { daemon, client: await connect({ endpoint: daemon.endpoint }), readyMs };
}

function mib(pid: number, what: "VmRSS" | "VmHWM"): number {
  return Math.round(memoryOf(pid, what) / 2 ** 20);
}

async function timed<T>(work: Promise<T>): Promise<readonly [T, number]> {
  const began = performance.now();
  return [await work, Math.round(performance.now() - began)];
}

test(`${RUNS} runs with a sink each are kept, listed, found again after kill -9, and delivered`, {
  timeout: 10 * MINUTE_MS,
}, async () => {
  mlflow.misbehave(() => answer(503, "away"));
  const sink = `mlflow+http://${mlflow.host}/scale`;
  const first = await start();
  const runIds = Array.from({ length: RUNS }, () => ulid());
  function* all() {
    for (const runId of runIds) yield* framesOfRun(runId, POINTS_A_RUN, [sink]);
  }
  const [, takenMs] = await timed(sendFrames(first.daemon.endpoint, all()));
  const list = async (client: Client) => {
    const ids = new Set<string>();
    for await (const { runId } of client.listRuns()) ids.add(runId);
    return ids;
  };
  const [ids, listMs] = await timed(list(first.client));
  expect(ids.size).toBe(RUNS);
  const [status, statusMs] = await timed(first.client.status());
  expect(status).toMatchObject({ pointsPending: RUNS * POINTS_A_RUN });
  first.client.close();
  await first.daemon.kill9();

  const { daemon, client, readyMs } = await start();
  const rss = mib(daemon.pid, "VmRSS");
  mlflow.misbehave(() => undefined);
  const delivered = until(async () => (await client.status()).pointsPending === 0, 8 * MINUTE_MS);
  const [, deliveredMs] = await timed(delivered);
  await until(() => runIds.every((id) => mlflow.runsOf(id)[0]?.status === "FINISHED"), MINUTE_MS);
  const bad = runIds.filter((id) => {
    const { lost, doubled, misplaced } = mlflowDamage(mlflow, id, { a: POINTS_A_RUN });
    return lost + doubled + misplaced > 0;
  });
  expect(bad).toEqual([]);
  const peak = mib(daemon.pid, "VmHWM");
  client.close();
  await daemon.stop();
  console.log(
    `${RUNS} runs: taken in ${takenMs} ms, listed in ${listMs} ms, status in ${statusMs} ms; ready again in ` +
      `${Math.round(readyMs)} ms with ${rss} MiB; delivered in ${deliveredMs} ms, peak ${peak} MiB`,
  );
  expect(peak).toBeLessThan(1024);
});

test(`${WRITERS} writers at once: every total is exact`, { timeout: 10 * MINUTE_MS }, async () => {
  const { daemon, client } = await start();
  const each = Math.floor(POINTS / WRITERS);
  const runIds = Array.from({ length: WRITERS }, () => ulid());
  const [, tookMs] = await timed(
    Promise.all(runIds.map((id) => sendFrames(daemon.endpoint, framesOfRun(id, each, [])))),
  );
  for (const runId of runIds) {
    expect((await client.getRun(runId)).points).toBe(each);
    const [series] = await client.readSeries(runId);
    expect(damageOf(series?.values ?? [], each)).toEqual(NONE);
  }
  const peak = mib(daemon.pid, "VmHWM");
  client.close();
  await daemon.stop();
  console.log(
    `${WRITERS} writers: ${WRITERS * each} points in ${tookMs} ms (with the packing here), peak ${peak} MiB`,
  );
  expect(peak).toBeLessThan(1024);
});

test(`a restart with ${POINTS} undelivered points is quick, and delivery begins at once`, {
  timeout: 10 * MINUTE_MS,
}, async () => {
  mlflow.misbehave(() => answer(503, "away"));
  const first = await start();
  const runId = ulid();
  await sendFrames(first.daemon.endpoint, framesOfRun(runId, POINTS, [`mlflow+http://${mlflow.host}/scale`]));
  first.client.close();
  await first.daemon.kill9();
  let firstPoint = 0;
  let batches = 0;
  const began = performance.now();
  mlflow.misbehave(({ path }) => {
    if (!path.endsWith("log-batch")) return undefined;
    firstPoint ||= performance.now() - began;
    batches++;
    // All of them would not fit in this process.
    return FULL ? answer(200, {}) : undefined;
  });
  const { daemon, client, readyMs } = await start();
  await until(() => batches > 0, MINUTE_MS);
  await until(() => batches >= Math.min(1000, POINTS / 1000), 5 * MINUTE_MS);
  const rss = mib(daemon.pid, "VmHWM");
  if (!FULL) {
    await until(async () => (await client.status()).pointsPending === 0, MINUTE_MS);
    expect(mlflowDamage(mlflow, runId, { a: POINTS })).toEqual(NONE);
  }
  client.close();
  await daemon.stop();
  console.log(
    `${POINTS} undelivered points: ready in ${Math.round(readyMs)} ms, first batch after ` +
      `${Math.round(firstPoint)} ms, peak ${rss} MiB after ${batches} batches`,
  );
  expect(rss).toBeLessThan(600);
});
