import { join } from "node:path";
import { type Client, connect, type Run, SinkState } from "@pipekit/experiment";
import { type Frame, RunStart, RunState } from "@pipekit/proto";
import { ulid } from "ulid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { METRICS } from "../../daemon/telemetry/catalogue.ts";
import { sendFrames } from "../faults/flood.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { answer } from "../support/fake-http.ts";
import { type FakeMlflow, startFakeMlflow } from "../support/fake-mlflow.ts";
import { freePort } from "../support/free-port.ts";
import { type Page, readPage } from "./page.ts";

/** A real daemon's day: healthy, refusing and dead trackers, wrong calls, a registry. Then its page against its journal. */
const PATIENCE = AbortSignal.timeout(60_000);
const ENDED: ReadonlySet<SinkState> = new Set([SinkState.SINK_STATE_DONE]);

let daemon: TestDaemon;
let client: Client;
let mlflow: FakeMlflow;
let page: Page;
let port: number;
let runs: Run[];
let redriven: { taken: number; pointsTaken: number };
let deadPoints: number;
const sinks = { mlflow: "", files: "", dead: "" };

beforeAll(async () => {
  mlflow = await startFakeMlflow();
  port = await freePort();
  const nobody = await freePort();
  daemon = await startDaemon({ args: ["--metrics-listen", `127.0.0.1:${port}`, "--idle-exit-s", "0"] });
  client = await connect({ endpoint: daemon.endpoint });
  sinks.mlflow = `mlflow+http://${mlflow.host}/day`;
  sinks.files = `tensorboard://${join(daemon.home, "events")}`;
  sinks.dead = `mlflow+http://127.0.0.1:${nobody}/day`;
  mlflow.misbehave(({ path, body }) => {
    // The adapter asks whether the run was deleted before it calls a refusal one.
    if (path.includes("/runs/get?")) return answer(200, { run: { info: { lifecycle_stage: "active" } } });
    const refused = path.endsWith("/log-batch") && body.includes('"bad"');
    return refused
      ? answer(400, { error_code: "INVALID_PARAMETER_VALUE", message: "no bad points" })
      : undefined;
  });
  const good = await writeRun(["loss", "acc"], 2500, [sinks.mlflow, sinks.files]);
  const bad = await writeRun(["bad"], 40, [sinks.mlflow]);
  const worse = await writeRun(["bad"], 7, [sinks.mlflow, sinks.files]);
  for (const runId of [good, bad, worse]) await untilSinks(runId, ENDED);
  deadPoints = (await client.getRun(bad)).sinks.reduce((sum, sink) => sum + sink.pointsDead, 0) + 7;
  mlflow.misbehave(() => undefined);
  redriven = await client.delivery.redrive({ runId: worse });
  await untilSinks(worse, ENDED);
  await writeRun(["loss"], 300, [sinks.dead]);
  await loseSomePoints();
  await callWrongly();
  await keepModels();
  runs = await Array.fromAsync(client.listRuns(), ({ runId }) => client.getRun(runId));
  page = await readPage(port);
}, 90_000);

afterAll(async () => {
  client?.close();
  await daemon?.stop();
  await mlflow?.close();
});

async function writeRun(keys: readonly string[], steps: number, to: readonly string[]): Promise<string> {
  const run = await client.startRun({ name: keys.join(), sinks: to });
  for (let step = 0; step < steps; step++) run.log(Object.fromEntries(keys.map((key) => [key, step])), step);
  await run.end();
  return run.runId;
}

async function untilSinks(runId: string, states: ReadonlySet<SinkState>): Promise<void> {
  for await (const run of client.watchRuns([runId], { signal: PATIENCE })) {
    if (run.sinks.every(({ state }) => states.has(state))) return;
  }
}

/** A client tells its losses as a sum by now; 3 and 10 by one writer are 10 points. */
async function loseSomePoints(): Promise<void> {
  const [writerId, runId] = [ulid(), ulid()];
  const start = RunStart.fromPartial({ name: "lossy", startedAtUs: Date.now() * 1000 });
  const told = (points: number) =>
    ({ $case: "tags", value: { tags: { "pipekit.dropped_points": `${points}` } } }) as const;
  const end = { state: RunState.RUN_STATE_COMPLETED, reason: "", endedAtUs: Date.now() * 1000 };
  const records = [
    { $case: "start", value: start } as const,
    told(3),
    told(10),
    told(10),
    { $case: "end", value: end } as const,
  ];
  const frames: Frame[] = records.map((record, i) => ({
    writerId,
    runId,
    seq: i + 1,
    records: [{ record }],
  }));
  await sendFrames(daemon.endpoint, frames);
  // A replay tells nothing new.
  await sendFrames(daemon.endpoint, frames);
}

async function callWrongly(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await expect(client.startRun({ sinks: ["nosuch:x"] })).rejects.toMatchObject({
      code: "INVALID_TRACKER_SPEC",
    });
  }
  for (let i = 0; i < 2; i++) {
    await expect(client.getRun(ulid())).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  }
}

/** Four models, one of them with a tag; the others go. */
async function keepModels(): Promise<void> {
  const registry = client.registry();
  for (let i = 0; i < 4; i++) {
    const operator = { module: "m", class: "C", config: { i } };
    const { model } = await registry.store({ operator, weights: Buffer.alloc(1000, i) });
    if (i === 0) await registry.tag(model.hash, "kept");
  }
  await expect(registry.stat("no-such-tag")).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  await Array.fromAsync(registry.gc({ policy: { minAgeMs: 0 }, apply: false }));
  await Array.fromAsync(registry.gc({ policy: { minAgeMs: 0 }, apply: true }));
}

const method = (name: string) => `pipekit.experiment.v1.${name}`;
const calls = (name: string, code: string) =>
  page.sum("rpc_server_call_duration_seconds_count", {
    rpc_method: method(name),
    rpc_response_status_code: code,
  });

test("what is journaled", async () => {
  const status = await client.status();
  expect(page.sum("pipekit_journal_frames_total")).toBe(status.frames);
  expect(page.sum("pipekit_journal_points_total")).toBe(status.points);
  expect(status.points).toBe(5000 + 40 + 7 + 300);
  expect(page.by("pipekit_runs", "state")).toEqual({ running: 0, ended: runs.length });
  expect(page.sum("pipekit_journal_size_bytes")).toBe(status.journalBytes);
  expect(page.sum("pipekit_delivery_dead_letters")).toBe(status.deadLetters);
  expect(page.sum("pipekit_journal_written_bytes_total")).toBeGreaterThan(0);
  const appends = page.by("pipekit_journal_append_duration_seconds_count", "outcome");
  expect(appends).toEqual({ appended: status.frames, duplicate: 5 });
  expect(page.sum("pipekit_journal_sync_duration_seconds_count")).toBe(
    page.sum("pipekit_journal_commit_duration_seconds_count"),
  );
  expect(page.sum("pipekit_client_dropped_total")).toBe(10);
});

test("what was delivered, refused and sent once more", () => {
  const all = runs.flatMap((run) => run.sinks.map((sink) => ({ ...sink, points: run.points })));
  for (const kind of ["mlflow", "tensorboard"]) {
    const own = all.filter(({ spec }) => spec.startsWith(kind));
    const sum = (figure: (sink: (typeof own)[number]) => number) =>
      own.reduce((s, sink) => s + figure(sink), 0);
    const taken = page.sum("pipekit_delivery_points_total", { sink_kind: kind, outcome: "taken" });
    expect(taken).toBe(sum(({ pointsSent }) => pointsSent));
    const open = own.filter(({ state }) => !ENDED.has(state));
    expect(page.sum("pipekit_delivery_sinks", { sink_kind: kind })).toBe(open.length);
    expect(page.sum("pipekit_delivery_backlog", { sink_kind: kind })).toBe(
      open.reduce((s, sink) => s + sink.points - sink.pointsSent - sink.pointsDead, 0),
    );
  }
  expect(redriven).toMatchObject({ taken: 1, pointsTaken: 7 });
  expect(page.sum("pipekit_delivery_points_total", { outcome: "refused" })).toBe(deadPoints);
  expect(deadPoints).toBe(47);
  expect(page.sum("pipekit_delivery_backlog")).toBe(300);
  expect(page.sum("pipekit_delivery_lag_seconds")).toBeGreaterThan(0);
  expect(page.sum("pipekit_delivery_setbacks_total", { sink_kind: "mlflow", cause: "tool" })).toBeGreaterThan(
    0,
  );
  const opened = { sink_kind: "tensorboard", call: "finish", outcome: "ok" };
  expect(page.sum("pipekit_delivery_call_duration_seconds_count", opened)).toBe(2);
});

test("what the tools show against what they took", () => {
  const done = runs.flatMap((run) => run.sinks).filter(({ pointsShown }) => pointsShown >= 0);
  const again = 1;
  expect(page.sum("pipekit_delivery_comparisons_total")).toBe(done.length + again);
  expect(page.sum("pipekit_delivery_differences_total")).toBe(
    done.reduce((sum, { pointsShown, pointsSent }) => sum + Math.abs(pointsShown - pointsSent), 0),
  );
});

test("calls, and those that failed", () => {
  expect(calls("TrackerService/StartRun", "OK")).toBe(4);
  expect(calls("TrackerService/StartRun", "INVALID_ARGUMENT")).toBe(3);
  expect(calls("TrackerService/GetRun", "NOT_FOUND")).toBe(2);
  expect(calls("RegistryService/Store", "OK") + calls("RegistryService/StoreWithProgress", "OK")).toBe(4);
  expect(page.sum("pipekit_access_refusals_total")).toBe(0);
});

test("the registry", () => {
  const operations = (operation: string, outcome: string) =>
    page.sum("pipekit_registry_operation_duration_seconds_count", {
      operation,
      registry_kind: "local",
      outcome,
    });
  expect(operations("store", "ok")).toBe(4);
  expect(operations("tag", "ok")).toBe(1);
  expect(operations("stat", "REF_NOT_FOUND")).toBe(1);
  expect(operations("gc", "ok")).toBe(2);
  expect(page.sum("pipekit_registry_collected_models_total", { registry_kind: "local" })).toBe(3);
  expect(page.sum("pipekit_registry_collected_size_bytes_total")).toBeGreaterThan(3000);
});

test("the process and its disk", async () => {
  // The journal's files grow and shrink between two readings.
  const apart = async () =>
    (await readPage(port)).sum("pipekit_disk_used_bytes") - (await client.status()).diskUsedBytes;
  await expect.poll(apart, { timeout: 10_000 }).toBe(0);
  expect(page.sum("process_memory_usage_bytes")).toBeGreaterThan(20e6);
  expect(page.sum("process_unix_file_descriptor_count")).toBeGreaterThan(10);
  expect(page.sum("pipekit_build_info")).toBe(1);
  expect(page.sum("process_uptime_seconds")).toBeGreaterThan(0);
});

test("every label is in the catalogue, and none is a name that users choose", () => {
  const known = new Map(
    Object.values(METRICS).map(({ name, labels }) => [
      name.replaceAll(".", "_"),
      labels.map((one) => one.replaceAll(".", "_")),
    ]),
  );
  for (const { name, labels } of page.samples.filter((sample) => sample.name !== "target_info")) {
    const [, allowed] = [...known].find(([start]) => name.startsWith(start)) ?? [];
    expect([...(allowed ?? []), "le"], name).toEqual(expect.arrayContaining(Object.keys(labels)));
  }
  const text = JSON.stringify(page.samples);
  for (const secret of [daemon.home, mlflow.host, "127.0.0.1", ...runs.map(({ runId }) => runId)]) {
    expect(text).not.toContain(secret);
  }
});
