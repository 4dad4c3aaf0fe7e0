/**
 * The headline: one run flows to MLflow, W&B (server and offline folder), TensorBoard and ClearML (server and offline
 * zip) at once, while each server fails in its own way and the daemon is killed twice. Training notices nothing, the
 * folders are not delayed, and at the end each shows exactly what was journaled.
 */
import { spawn } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { connect, type Run } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { answer, htmlPage, tooManyRequests } from "../support/fake-http.ts";
import { ROOT } from "./demo/processes.ts";
import { CREDENTIALS, Destinations, grouped, type Shown } from "./destinations.ts";

const STEPS = 1500;
const LIMITS = JSON.stringify({ backoffBaseMs: 20, backoffCapMs: 200, probeCapMs: 200, callTimeoutMs: 2000 });
const LIMIT_MS = 180_000;

let destinations: Destinations;
let daemon: TestDaemon;
let home: string;

beforeAll(async () => {
  home = temporaryHome();
  mkdirSync(join(home, "to"));
  destinations = await Destinations.start(join(home, "to"));
  mkdirSync(join(home, "config/pipekit-experiment"), { recursive: true });
  const trackers = { everything: Object.values(destinations.specs) };
  // JSON is YAML.
  writeFileSync(join(home, "config/pipekit-experiment/config.yaml"), JSON.stringify({ trackers }));
  daemon = await start();
  symlinkSync(daemon.runtimeFolder, join(home, "alias"));
});

afterAll(async () => {
  await daemon.stop();
  await destinations.close();
  rmSync(home, { recursive: true, force: true });
});

function start(): Promise<TestDaemon> {
  const script = join(ROOT, "test/faults/crashing-daemon.ts");
  return startDaemon({ home, script, env: { PKX_TEST_LIMITS: LIMITS, ...CREDENTIALS } });
}

/** The first state of the run that fits; over restarts of the daemon. */
async function runUntil(runId: string, fits: (run: Run) => boolean): Promise<Run> {
  const client = await connect({ endpoint: daemon.endpoint });
  try {
    for await (const run of client.watchRuns([runId], { signal: AbortSignal.timeout(LIMIT_MS) })) {
      if (fits(run)) return run;
    }
    throw new Error("the stream ended");
  } finally {
    client.close();
  }
}

function train() {
  // Under another name of its socket this daemon is not the default one, which the client would start anew itself.
  const endpoint = `unix:${join(home, "alias", basename(daemon.socketPath))}`;
  const child = spawn(
    join(ROOT, ".venv/bin/python"),
    [join(import.meta.dirname, "bad_day.py"), "everything", String(STEPS)],
    {
      env: { ...process.env, ...daemon.clientEnv, PKX_ENDPOINT: endpoint },
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return { line: async () => String((await lines.next()).value), end: () => child.stdin.end("\n") };
}

async function journaled(runId: string): Promise<Shown> {
  const client = await connect({ endpoint: daemon.endpoint });
  try {
    const series = await client.readSeries(runId);
    return grouped(
      series.flatMap(({ key, steps, values }) =>
        Array.from(steps, (step, i): [string, number, number] => [
          key,
          Number(step),
          values[i] ?? Number.NaN,
        ]),
      ),
    );
  } finally {
    client.close();
  }
}

/** ClearML's names of our keys: title and series. */
const titled = (shown: Shown): Shown =>
  Object.fromEntries(
    Object.entries(shown).map(([key, points]) => [key.includes("/") ? key : `${key}/${key}`, points]),
  );

/** TensorBoard keeps 32 bits of a value. */
const rounded = (shown: Shown): Shown =>
  Object.fromEntries(
    Object.entries(shown).map(([key, points]) => [key, points.map(([s, v]) => [s, Math.fround(v)] as const)]),
  );

test("a bad day at every tracker costs nothing, doubles nothing, and delays nobody else", {
  timeout: 2 * LIMIT_MS,
}, async () => {
  const { mlflow, wandb, clearml } = destinations.networks;
  const { specs } = destinations;
  mlflow.script(() => ({ kind: "hang" }));
  wandb.script(() => tooManyRequests("1"));
  clearml.script(() => answer(500, "<html>down</html>", { "content-type": "text/html" }));
  const trainer = train();
  const runId = await trainer.line();

  // The folders take the run while every server is away.
  const isFolder = (spec: string) => /offline|tensorboard/.test(spec);
  const early = await runUntil(
    runId,
    ({ sinks }) =>
      sinks.filter(({ spec }) => isFolder(spec)).every(({ pointsSent }) => pointsSent > 300) &&
      sinks.filter(({ spec }) => !isFolder(spec)).every(({ lastError }) => lastError !== ""),
  );
  for (const sink of early.sinks) {
    if (!isFolder(sink.spec))
      expect(sink).toMatchObject({ pointsSent: 0, pendingSinceUs: expect.any(Number) });
  }
  await daemon.kill9();
  mlflow.script(() => htmlPage());
  wandb.script(({ path }) => (path.includes("file_stream") ? { kind: "loseAnswer" } : undefined));
  clearml.script(() => ({ kind: "reset" }));
  daemon = await start();
  await runUntil(runId, ({ points }) => points > 2000);

  // They come back one after another, not whole.
  let calls = 0;
  mlflow.script(() => (++calls % 3 === 0 ? { kind: "loseAnswer" } : undefined));
  wandb.script(() => (++calls % 4 === 0 ? answer(503, "") : undefined));
  clearml.script(() => (++calls % 3 === 0 ? { kind: "resetAnswer" } : undefined));
  await runUntil(runId, ({ sinks }) => sinks.filter((s) => !isFolder(s.spec)).some((s) => s.pointsSent > 0));
  await daemon.kill9();
  daemon = await start();

  trainer.end();
  const training = JSON.parse(await trainer.line());
  expect(training).toMatchObject({ dropped: 0, trackers_imported: [] });
  for (const network of [mlflow, wandb, clearml]) network.script(() => undefined);
  const done = await runUntil(runId, ({ sinks }) => sinks.every(({ pointsShown }) => pointsShown >= 0));
  const points = STEPS * 3 + STEPS / 10;
  expect(done.points).toBe(points);
  for (const sink of done.sinks) {
    expect(sink).toMatchObject({ pointsSent: points, pointsDead: 0, pointsPending: 0, pointsShown: points });
  }

  const expected = await journaled(runId);
  const shown = await destinations.shown(runId);
  expect(shown.mlflow).toEqual(expected);
  expect(shown.wandb).toEqual(expected);
  expect(shown.wandbOffline).toEqual(expected);
  expect(shown.tensorboard).toEqual(rounded(expected));
  expect(shown.clearml).toEqual(titled(expected));
  expect(shown.clearmlOffline).toEqual(titled(expected));
  expect(Object.keys(shown)).toEqual(Object.keys(specs));
});
