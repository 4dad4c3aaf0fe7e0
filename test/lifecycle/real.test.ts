/** The daemon with its real rooms: what its end, its watches and its journal make of runs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { hostname } from "node:os";
import { type ClientDuplexStream, credentials, type ServiceError } from "@grpc/grpc-js";
import {
  type Frame,
  type LogRequest,
  type LogResponse,
  PipekitError,
  packRows,
  type Record,
  type Run,
  RunStart,
  RunState,
  TrackerServiceClient,
} from "@pipekit/proto";
import { ulid } from "ulid";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type StartOptions, startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";

let home: string;
const daemons: TestDaemon[] = [];
const clients: TrackerServiceClient[] = [];

beforeEach(() => {
  home = temporaryHome();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const daemon of daemons.splice(0)) await daemon.kill9();
  rmSync(home, { recursive: true, force: true });
});

async function start(options: StartOptions = {}) {
  const daemon = await startDaemon({ home, ...options });
  const client = new TrackerServiceClient(daemon.endpoint, credentials.createInsecure());
  daemons.push(daemon);
  clients.push(client);
  return { daemon, client };
}

function startRun(client: TrackerServiceClient, pid: number): Promise<Run> {
  const value = RunStart.fromPartial({ name: "r", startedAtUs: Date.now() * 1000, host: hostname(), pid });
  const frame = {
    writerId: ulid(),
    seq: 1,
    runId: ulid(),
    records: [{ record: { $case: "start" as const, value } }],
  };
  return new Promise((done, fail) => {
    client.startRun({ frame }, (error, answer) => (error || !answer.run ? fail(error) : done(answer.run)));
  });
}

function getRun(client: TrackerServiceClient, runId: string): Promise<Run> {
  return new Promise((done, fail) => {
    client.getRun({ runId }, (error, answer) => (error || !answer.run ? fail(error) : done(answer.run)));
  });
}

function metrics(step: number): Record {
  const rows = Array.from({ length: 100 }, () => ({
    keys: ["loss"],
    step,
    timeUs: Date.now() * 1000,
    values: [0.5],
  }));
  return { record: { $case: "metrics", value: packRows(rows) } };
}

test("a run whose process was killed is ended as killed, also when daemon and process die together", async () => {
  const trainer = spawn("sleep", ["600"], { stdio: "ignore" });
  const bystander = spawn("sleep", ["600"], { stdio: "ignore" });
  try {
    const first = await start();
    const run = await startRun(first.client, trainer.pid ?? 0);
    const other = await startRun(first.client, bystander.pid ?? 0);
    await first.daemon.kill9();
    trainer.kill("SIGKILL");
    const { client } = await start({ args: ["--orphan-grace-s", "0.1"] });
    const state = async () => (await getRun(client, run.runId)).state;
    await expect.poll(state, { timeout: 10_000, interval: 100 }).toBe(RunState.RUN_STATE_FAILED);
    expect((await getRun(client, run.runId)).reason).toBe("killed");
    expect((await getRun(client, other.runId)).state).toBe(RunState.RUN_STATE_RUNNING);
  } finally {
    trainer.kill("SIGKILL");
    bystander.kill("SIGKILL");
  }
});

test("a daemon whose run is alive does not leave; after the process is gone it does", async () => {
  const trainer = spawn("sleep", ["600"], { stdio: "ignore" });
  try {
    const { daemon, client } = await start({ args: ["--idle-exit-s", "1", "--orphan-grace-s", "0.1"] });
    await startRun(client, trainer.pid ?? 0);
    const still = new Promise((done) => setTimeout(done, 2500, "still there"));
    expect(await Promise.race([daemon.exited, still])).toBe("still there");
    trainer.kill("SIGKILL");
    expect(await daemon.exited).toEqual({ code: 0, signal: null });
  } finally {
    trainer.kill("SIGKILL");
  }
});

test("an open stream keeps an idle daemon, its end lets it go", async () => {
  const { daemon, client } = await start({ args: ["--idle-exit-s", "1"] });
  const stream = client.log();
  stream.on("error", () => undefined);
  const still = new Promise((done) => setTimeout(done, 2000, "still there"));
  expect(await Promise.race([daemon.exited, still])).toBe("still there");
  stream.end();
  stream.resume();
  expect(await daemon.exited).toEqual({ code: 0, signal: null });
});

/** Sends frames until the stream ends; resolves with the last seq acknowledged and how the stream ended. */
async function flood(
  stream: ClientDuplexStream<LogRequest, LogResponse>,
  runId: string,
  started: () => void,
) {
  const writerId = ulid();
  let acked = 0;
  stream.on("data", (answer: LogResponse) => {
    expect(answer.rejection).toBeUndefined();
    acked = answer.ackedSeq;
    if (acked === 50) started();
  });
  let failure: ServiceError | undefined;
  stream.once("error", (error) => {
    failure = error as ServiceError;
  });
  for (let seq = 1; failure === undefined; seq++) {
    const frame: Frame = { writerId, seq, runId, records: [metrics(seq)] };
    // A stream that ends while it is full rejects the wait; the loop sees the failure.
    if (!stream.write({ frame })) await once(stream, "drain").catch(() => undefined);
    if (seq - acked > 20) await new Promise((done) => setImmediate(done));
  }
  return { acked: () => acked, failure: PipekitError.fromServiceError(failure) };
}

test("SIGTERM amid a flood of frames: what was acknowledged is there, the rest is told to try again", async () => {
  const { daemon, client } = await start();
  const run = await startRun(client, process.pid);
  const running = Promise.withResolvers<void>();
  const flooding = flood(client.log(), run.runId, running.resolve);
  await running.promise;
  const before = performance.now();
  const exit = await daemon.stop();
  expect(exit).toEqual({ code: 0, signal: null });
  expect(performance.now() - before).toBeLessThan(2000);
  const { acked, failure } = await flooding;
  expect(failure.code).toBe("DAEMON_UNAVAILABLE");
  expect(failure.message).toBe("The daemon is shutting down.");
  const next = await start();
  const kept = await getRun(next.client, run.runId);
  expect(acked()).toBeGreaterThanOrEqual(50);
  // Frames whose acknowledgement was lost on the way are kept too; the client sends them again, and they are dropped.
  expect(kept.points).toBeGreaterThanOrEqual(acked() * 100);
  expect(kept.points % 100).toBe(0);
});
