import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect, type Run } from "@pipekit/experiment";
import { afterEach, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { type MlflowServer, startMlflowServer } from "../support/mlflow-server.ts";
import { findMlflowRun } from "./demo/mlflow-run.ts";

const STEPS = 400;
const KEYS = ["train/loss", "train/accuracy", "lr", "epoch", "val/loss"];

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function daemonAt(home: string): Promise<TestDaemon> {
  const daemon = await startDaemon({ home });
  cleanups.push(() => daemon.stop());
  return daemon;
}

async function clientOf(daemon: TestDaemon): Promise<Client> {
  const client = await connect({ endpoint: daemon.endpoint });
  cleanups.push(() => client.close());
  return client;
}

async function mlflowAt(port: number): Promise<MlflowServer> {
  const folder = mkdtempSync(join(tmpdir(), "pkx-mlflow-"));
  const server = await startMlflowServer({ port, folder });
  cleanups.push(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return server;
}

function home(): string {
  const folder = temporaryHome();
  mkdirSync(folder, { recursive: true });
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The first state of a run that fits, as the daemon's stream of it shows it. */
async function runUntil(client: Client, runId: string, fits: (run: Run) => boolean): Promise<Run> {
  for await (const run of client.watchRuns([runId], { signal: AbortSignal.timeout(120_000) })) {
    if (fits(run)) return run;
  }
  throw new Error("the stream ended");
}

test("a tracker that is away from the start, and a daemon killed while it catches up, cost nothing and double nothing", {
  timeout: 240_000,
}, async () => {
  const port = await freePort();
  const folder = home();
  const first = await daemonAt(folder);
  const client = await clientOf(first);
  const run = await client.startRun({
    name: "outage",
    config: { lr: 0.1 },
    sinks: [`mlflow+http://127.0.0.1:${port}/outage`],
  });
  for (let step = 0; step < STEPS; step++) {
    run.log(Object.fromEntries(KEYS.map((key, i) => [key, step + i / 10])), step);
  }
  await run.end();
  const waiting = await runUntil(client, run.runId, ({ sinks }) => sinks[0]?.lastError !== "");
  expect(waiting.sinks[0]).toMatchObject({ pointsSent: 0, pointsPending: STEPS * KEYS.length });

  const mlflow = await mlflowAt(port);
  await runUntil(client, run.runId, ({ sinks }) => (sinks[0]?.remoteId ?? "") !== "");
  await first.kill9();
  const second = await daemonAt(folder);
  const done = await runUntil(
    await clientOf(second),
    run.runId,
    ({ sinks }) => (sinks[0]?.pointsShown ?? -1) >= 0,
  );

  expect(done.sinks[0]).toMatchObject({
    pointsSent: STEPS * KEYS.length,
    pointsDead: 0,
    pointsPending: 0,
    notes: [],
  });
  const shown = await findMlflowRun(mlflow.url, "outage", run.runId);
  expect(shown.status).toBe("FINISHED");
  expect(Object.fromEntries(shown.points)).toEqual(Object.fromEntries(KEYS.map((key) => [key, STEPS])));
});

test("a port where something else answers is told as such, and delays no other sink", {
  timeout: 120_000,
}, async () => {
  const other = createServer((socket) => socket.end("220 mail ready\r\n"));
  await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
  cleanups.push(() => other.close());
  const address = other.address();
  const port = typeof address === "object" ? address?.port : 0;
  const mlflow = await mlflowAt(await freePort());
  const client = await clientOf(await daemonAt(home()));
  const run = await client.startRun({
    name: "wrong-port",
    sinks: [`mlflow+http://127.0.0.1:${port}/x`, `mlflow+http://${mlflow.host}/x`],
  });
  run.log({ loss: 1 }, 0);
  await run.end();
  const seen = await runUntil(
    client,
    run.runId,
    ({ sinks }) =>
      sinks.some((sink) => sink.pointsShown === 1) && sinks.some((sink) => sink.lastError !== ""),
  );
  const bad = seen.sinks.find((sink) => sink.spec.includes(`:${port}`));
  expect(bad).toMatchObject({ pointsSent: 0, pointsPending: 1 });
  expect(bad?.lastError).toContain(`127.0.0.1:${port}`);
});
