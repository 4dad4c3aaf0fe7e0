import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Client, connect, type Run, SinkState } from "@pipekit/experiment";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { historyOf, runsOf } from "../support/mlflow-client.ts";
import { startMlflowServer } from "../support/mlflow-server.ts";
import { framesIn, sorted, union } from "./folders.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const PYTHON = join(ROOT, ".venv/bin/python");
const NODES = 4;
const RANKS = 8;
const ROWS = 400;
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function daemonAt(home: string): Promise<TestDaemon> {
  const daemon = await startDaemon({ home, env: { PKX_ORPHAN_GRACE_S: "0.2" } });
  cleanups.push(() => daemon.kill9());
  return daemon;
}

async function node(): Promise<TestDaemon> {
  const home = temporaryHome();
  cleanups.push(() => rmSync(home, { recursive: true, force: true }));
  return daemonAt(home);
}

async function clientOf({ endpoint }: TestDaemon): Promise<Client> {
  const client = await connect({ endpoint });
  cleanups.push(() => client.close());
  return client;
}

/** A rank as SLURM starts it; its first line is the run's id. */
function rank(number: number, { clientEnv }: TestDaemon): { child: ChildProcess; runId: Promise<string> } {
  const slurm = {
    SLURM_JOB_ID: "4711",
    SLURM_STEP_ID: "0",
    SLURM_PROCID: String(number),
    SLURM_NTASKS: String(RANKS),
  };
  const child = spawn(PYTHON, [join(ROOT, "test/fan-in/rank.py"), String(ROWS)], {
    // The daemon that was killed is for the test to start.
    env: { ...process.env, ...clientEnv, ...slurm, PKX_NODE: "/bin/false" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  cleanups.push(() => child.kill("SIGKILL"));
  const runId = once(child.stdout as NodeJS.ReadableStream, "data").then(([data]) => String(data).trim());
  return { child, runId };
}

async function runUntil(client: Client, runId: string, fits: (run: Run) => boolean): Promise<Run> {
  for await (const run of client.watchRuns([runId], { signal: AbortSignal.timeout(60_000) })) {
    if (fits(run)) return run;
  }
  throw new Error("the stream ended");
}

async function take(client: Client, stateFolder: string, sinks: readonly string[]): Promise<void> {
  for await (const { notes } of client.delivery.sync({
    stateFolder,
    sinks,
    signal: AbortSignal.timeout(60_000),
  })) {
    expect(notes.filter((note) => !note.includes("not ended"))).toEqual([]);
  }
}

test("a job on four nodes, with trainers and a daemon killed, is one run once its journals are merged, in any order", {
  timeout: 120_000,
}, async () => {
  const starting = startMlflowServer();
  cleanups.push(async () => (await starting).stop());
  const nodes = await Promise.all(Array.from({ length: NODES }, node));
  const ranks = Array.from({ length: RANKS }, (_, i) => rank(i, nodes[i % NODES] as TestDaemon));
  const ids = new Set(await Promise.all(ranks.map(({ runId }) => runId)));
  expect(ids.size).toBe(1);
  const [runId] = [...ids] as [string];

  // Rank 5 dies on node 1, whose rank 1 goes on; the daemon of node 2 dies under both its ranks and comes back.
  ranks[5]?.child.kill("SIGKILL");
  await nodes[2]?.kill9();
  nodes[2] = await daemonAt((nodes[2] as TestDaemon).home);
  const centre = await node();
  const client = await clientOf(centre);
  const mlflow = await starting;
  const events = join(centre.home, "events");
  mkdirSync(events);
  const sinks = [`tensorboard://${events}`, `mlflow+http://${mlflow.host}/wide`];
  await take(client, (nodes[0] as TestDaemon).stateFolder, []);
  await Promise.all(ranks.map(({ child }) => child.exitCode ?? child.signalCode ?? once(child, "exit")));
  for (const daemon of nodes) {
    await runUntil(await clientOf(daemon), runId, ({ state }) => state !== 1);
  }

  const [order = []] = fc.sample(fc.shuffledSubarray([0, 1, 2, 3, 0, 2], { minLength: 6 }), 1);
  for (const i of order) await take(client, (nodes[i] as TestDaemon).stateFolder, sinks);
  const folders = nodes.map(({ stateFolder }) => stateFolder);
  expect(sorted(await framesIn(centre.stateFolder)), `order ${order}`).toEqual(await union(folders));
  const merged = await runUntil(client, runId, (run) =>
    run.sinks.every(({ state }) => state === SinkState.SINK_STATE_DONE),
  );
  expect(merged).toMatchObject({ state: 3, reason: "rank 5: killed", name: "wide", tags: { team: "eo" } });
  expect(JSON.parse(merged.configJson)).toEqual({ lr: 0.1 });
  expect(merged.group).toMatchObject({ group: "slurm-4711.0", worldSize: RANKS });
  expect(merged.group?.members.map((one) => one.rank)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  const points = new Map(merged.series.map((one) => [one.key, one.points]));
  for (const key of ["loss", "rank1/loss", "rank4/tokens", "rank7/loss"]) expect(points.get(key)).toBe(ROWS);
  expect(merged.sinks.map(({ pointsShown, notes }) => [pointsShown, notes])).toEqual([
    [merged.points, []],
    [merged.points, []],
  ]);
  // Each tool has the run once, with every point once.
  const reader = [join(ROOT, "test/e2e/read_files.py"), "tensorboard", events];
  const shown = JSON.parse(execFileSync(PYTHON, reader, { encoding: "utf8" })) as {
    [key: string]: unknown[];
  };
  expect(new Map(Object.entries(shown).map(([key, one]) => [key, one.length]))).toEqual(points);
  const found = await runsOf(mlflow.url, "wide", runId);
  expect(found).toHaveLength(1);
  expect(found[0]?.info.status).toBe("FAILED");
  expect(await historyOf(mlflow.url, found[0]?.info.run_id ?? "", "rank7/tokens")).toHaveLength(ROWS);
});
