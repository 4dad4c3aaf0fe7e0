/** kill -9 of the training process: what is lost is what it logged in its last moments. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, connect, RunState } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { runUntil, seeded, startTrainer } from "./trainer.ts";

const KILLS = Number(process.env["PKX_FAULT_ROUNDS"] ?? "12");
const AT_ONCE = 4;
/** The flusher's tick of 25 ms, the way to the daemon's disk, and what a busy machine adds. */
const WINDOW_MS = 250;

let daemon: TestDaemon;
let client: Client;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pkx-progress-"));
  daemon = await startDaemon({ args: ["--orphan-grace-s", "0.5"] });
  client = await connect({ endpoint: daemon.endpoint });
});

afterAll(async () => {
  client.close();
  await daemon.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Kills a trainer at some moment; rows logged, rows lost, and the milliseconds of logging that were lost. */
async function killOne(seed: number): Promise<{ rows: number; lost: number; lostMs: number }> {
  const progress = join(folder, String(seed));
  const env = { ...daemon.clientEnv, PKX_TEST_PROGRESS: progress };
  const trainer = startTrainer({ home: daemon.home, seed, points: 1e9, pauseMs: 1, env });
  const runId = await trainer.runId;
  await sleep(100 + seeded(seed)() * 900);
  trainer.child.kill("SIGKILL");
  expect(await trainer.done).toBeUndefined();
  const bytes = readFileSync(progress);
  const rows = Number(bytes.readBigInt64LE(0));
  const lastUs = Number(bytes.readBigInt64LE(8));
  const run = await runUntil(client, runId, ({ state }) => state === RunState.RUN_STATE_FAILED);
  expect(run.reason).toBe("killed");
  const series = (await client.readSeries(runId)).find(({ key }) => key === "a");
  const kept = series?.values.length ?? 0;
  // A prefix: each value is its own number. A row may be logged and not yet counted when the signal comes.
  expect([...(series?.values ?? [])]).toEqual(Array.from({ length: kept }, (_, i) => i));
  expect(kept).toBeLessThanOrEqual(rows + 1);
  const lostMs = kept >= rows ? 0 : (lastUs - (series?.timesUs.at(-1) ?? run.startedAtUs)) / 1000;
  return { rows, lost: Math.max(0, rows - kept), lostMs };
}

test(`kill -9 of ${KILLS} trainers costs each its last moments, and its run ends as killed`, {
  timeout: 20_000 + KILLS * 4000,
}, async () => {
  const seeds = Array.from({ length: KILLS }, (_, i) => i + 1);
  const losses: number[] = [];
  let rows = 0;
  let lostRows = 0;
  const worker = async () => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      const one = await killOne(seed);
      losses.push(one.lostMs);
      rows += one.rows;
      lostRows += one.lost;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  losses.sort((a, b) => a - b);
  const at = (share: number) => (losses[Math.floor(share * (losses.length - 1))] ?? 0).toFixed(1);
  console.log(
    `${KILLS} kills, ${rows} rows, ${lostRows} lost; milliseconds lost: p50 ${at(0.5)}, p90 ${at(0.9)}, max ${at(1)}`,
  );
  expect(losses.at(-1)).toBeLessThan(WINDOW_MS);
  expect(losses[Math.floor(losses.length / 2)]).toBeLessThan(60);
});
