/** kill -9 of the training process, and of the daemon with it: every point whose log() had returned is journaled. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, connect, type MetricSeries, RunState } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { seeded } from "../support/random.ts";
import { damageOf, runUntil, startTrainer, until } from "./trainer.ts";
import { type KilledTrainer, ringFiles, startKilledTrainer, type TrainerMode } from "./trainer-killed.ts";

const MODES: readonly TrainerMode[] = ["single", "threads", "fork", "spawn", "signals"];
const STATES = ["up", "down", "killed too"] as const;
/** Rounds of each kind. */
const ROUNDS = Number(process.env["PKX_FAULT_ROUNDS"] ?? "1");
const AT_ONCE = 3;
const GRACE = ["--orphan-grace-s", "0.3"];
/** The flusher's tick of 25 ms, the way to the daemon's disk, and what a busy machine adds. */
const WINDOW_MS = 400;

interface Outcome {
  points: number;
  lost: number;
  doubled: number;
  misplaced: number;
  /** Points beyond those whose log() is known to have returned. */
  beyond: number;
  unprotected: number;
}

const NOTHING: Outcome = { points: 0, lost: 0, doubled: 0, misplaced: 0, beyond: 0, unprotected: 0 };

let shared: TestDaemon;
let client: Client;

beforeAll(async () => {
  shared = await startDaemon({ args: GRACE });
  client = await connect({ endpoint: shared.endpoint });
});

afterAll(async () => {
  client.close();
  await shared.stop();
});

/** Microseconds between two calls; 0 is full speed. */
function pauseOf(seed: number): number {
  return [0, 200, 2000][seed % 3] ?? 0;
}

async function runFor(trainer: KilledTrainer, seed: number): Promise<void> {
  await trainer.logging();
  await sleep(30 + seeded(seed)() * 500);
}

/** Kills a trainer at some moment, and the daemon with it or before it; then counts what a daemon has. */
async function round(mode: TrainerMode, state: (typeof STATES)[number], seed: number): Promise<Outcome> {
  const pauseUs = pauseOf(seed);
  if (state === "up") {
    const trainer = startKilledTrainer({ home: shared.home, mode, seed, pauseUs });
    await runFor(trainer, seed);
    await trainer.kill();
    return outcome(client, trainer);
  }
  const home = temporaryHome();
  const first = state === "down" ? undefined : await startDaemon({ home, args: GRACE });
  try {
    // A client whose daemon command leads nowhere starts none.
    const env = { PKX_DAEMON: "/dev/null/none" };
    const trainer = startKilledTrainer({ home, mode, seed, pauseUs, env });
    await runFor(trainer, seed);
    if (seed % 2 === 0) await first?.kill9();
    await trainer.kill();
    await first?.kill9();
    const next = await startDaemon({ home, args: GRACE });
    const nextClient = await connect({ endpoint: next.endpoint });
    try {
      const found = await outcome(nextClient, trainer);
      // What is handed over is removed.
      await until(() => ringFiles(home).length === 0);
      return found;
    } finally {
      nextClient.close();
      await next.stop();
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function outcome(from: Client, trainer: KilledTrainer): Promise<Outcome> {
  const all = { ...NOTHING };
  const series: MetricSeries[] = [];
  for (const runId of trainer.runIds()) {
    // A start that nobody had taken comes with the rest.
    await until(() =>
      from.getRun(runId).then(
        () => true,
        () => false,
      ),
    );
    const run = await runUntil(from, runId, (one) => one.state === RunState.RUN_STATE_FAILED);
    expect(run.reason).toBe("killed");
    series.push(...(await from.readSeries(runId)));
  }
  const { counts, unprotected } = trainer.progress();
  counts.forEach((count, lane) => {
    const kept = series.find(({ key }) => key === `lane${lane}`)?.values ?? new Float64Array();
    const damage = damageOf(kept, Math.max(count, kept.length));
    all.points += count;
    all.lost += damage.lost;
    all.doubled += damage.doubled;
    all.misplaced += damage.misplaced;
    all.beyond += Math.max(0, kept.length - count);
  });
  all.unprotected = unprotected;
  return all;
}

test(`kill -9 under ${MODES.join(", ")}, with the daemon ${STATES.join(", ")}: nothing is lost or doubled`, {
  timeout: 120_000 + ROUNDS * 180_000,
}, async () => {
  const rounds = MODES.flatMap((mode) =>
    STATES.flatMap((state) =>
      Array.from({ length: ROUNDS }, (_, i) => ({ mode, state, seed: 1 + i * 17 + STATES.indexOf(state) })),
    ),
  );
  const totals = new Map<string, Outcome & { kills: number }>();
  const bad: string[] = [];
  const worker = async () => {
    for (let next = rounds.shift(); next !== undefined; next = rounds.shift()) {
      const one = await round(next.mode, next.state, next.seed);
      const speed = pauseOf(next.seed) === 0 ? "full speed" : "paced";
      const total = totals.get(speed) ?? { ...NOTHING, kills: 0 };
      totals.set(speed, total);
      total.kills++;
      for (const field of Object.keys(NOTHING) as (keyof Outcome)[]) total[field] += one[field];
      // At full speed on a busy machine the ring may be full: then it says so.
      const harmed = one.lost > one.unprotected || one.doubled + one.misplaced > 0 || one.beyond > 4;
      if (harmed) bad.push(JSON.stringify({ ...next, ...one }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  for (const [speed, total] of totals) console.log(`${speed}: ${JSON.stringify(total)}`);
  expect(bad).toEqual([]);
  expect(totals.get("paced")).toMatchObject({ lost: 0, unprotected: 0 });
  expect(totals.get("paced")?.points).toBeGreaterThan(MODES.length * ROUNDS * 20);
});

test("without the ring a kill costs the last moments, and no more", { timeout: 60_000 }, async () => {
  const progress = join(shared.home, "progress");
  const env = { PKX_TEST_PROGRESS: progress, PKX_RING_MB: "0" };
  const trainer = startTrainer({ home: shared.home, seed: 5, points: 1e9, pauseMs: 1, env });
  const runId = await trainer.runId;
  await sleep(700);
  trainer.child.kill("SIGKILL");
  await trainer.done;
  const bytes = readFileSync(progress);
  const rows = Number(bytes.readBigInt64LE(0));
  await runUntil(client, runId, ({ state }) => state === RunState.RUN_STATE_FAILED);
  const series = (await client.readSeries(runId)).find(({ key }) => key === "a");
  const kept = [...(series?.values ?? [])];
  expect(kept).toEqual(kept.map((_, i) => i));
  const lostMs =
    kept.length >= rows ? 0 : Number(bytes.readBigInt64LE(8)) / 1000 - (series?.timesUs.at(-1) ?? 0) / 1000;
  console.log(`ring off: ${rows} rows, ${Math.max(0, rows - kept.length)} lost, ${lostMs.toFixed(1)} ms`);
  expect(lostMs).toBeLessThan(WINDOW_MS);
});
