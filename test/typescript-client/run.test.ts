import { type Client, connect, PipekitError, RunState } from "@pipekit/experiment";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeDaemon } from "../support/fake-daemon.ts";

let daemon: FakeDaemon;
let client: Client;

beforeEach(async () => {
  daemon = await new FakeDaemon().start();
  client = await connect({ endpoint: daemon.endpoint });
});

afterEach(() => {
  client.close();
  daemon.remove();
});

function stored(runId: string) {
  const run = daemon.tracker.runs.get(runId);
  if (run === undefined) throw new Error("no such run");
  return run;
}

test("a run's metrics, params, tags, artifact and end arrive in order", async () => {
  const run = await client.startRun({ name: "digits", config: { lr: 0.1 }, tags: { team: "a" } });
  run.log({ loss: 1, acc: 0 });
  run.log({ loss: 0.5, acc: Number.NaN });
  run.logParams({ epochs: 3 });
  run.setTags({ stage: "late" });
  run.log({ loss: 0.25 }, 10);
  run.log({ loss: 0.125 });
  await run.logArtifact("/tmp/x.png", "plots/x.png");
  await run.end("completed");

  const { run: shown, points } = stored(run.runId);
  expect(points).toEqual([
    { key: "loss", step: 0, value: 1 },
    { key: "acc", step: 0, value: 0 },
    { key: "loss", step: 1, value: 0.5 },
    { key: "acc", step: 1, value: Number.NaN },
    { key: "loss", step: 10, value: 0.25 },
    { key: "loss", step: 11, value: 0.125 },
  ]);
  expect(shown).toMatchObject({
    name: "digits",
    configJson: '{"lr":0.1}',
    state: RunState.RUN_STATE_COMPLETED,
    params: { epochs: "3" },
    tags: { team: "a", stage: "late" },
    artifacts: [{ name: "plots/x.png", path: "/tmp/x.png" }],
    client: "typescript/0.1.0",
    pid: process.pid,
  });
  expect(daemon.tracker.frames.map((frame) => frame.seq)).toEqual(daemon.tracker.frames.map((_, i) => i + 1));
});

test.each([
  [
    "a value that is text",
    () => ({ metrics: { loss: "0.5" as unknown as number } }),
    /value of the metric loss is a string/,
  ],
  ["a value that is null", () => ({ metrics: { loss: null as unknown as number } }), /is a null/],
  ["a step that is no integer", () => ({ metrics: { loss: 1 }, step: 0.5 }), /step 0\.5 is not an integer/],
  ["a step beyond 2^53", () => ({ metrics: { loss: 1 }, step: 2 ** 53 }), /step 9007199254740992/],
  ["an empty key", () => ({ metrics: { "": 1 } }), /key is empty/],
  ["a key of 1 MiB", () => ({ metrics: { ["k".repeat(1024 * 1024)]: 1 } }), /1048576 bytes; at most 1024/],
])("%s is refused at once and costs nothing else", async (_, call, message) => {
  const run = await client.startRun();
  const { metrics, step } = call() as { metrics: { [key: string]: number }; step?: number };
  expect(() => run.log(metrics, step)).toThrow(
    expect.objectContaining({ code: "INVALID_METRIC", message: expect.stringMatching(message) }),
  );
  run.log({ loss: 2 });
  await run.end();
  expect(stored(run.runId).points).toEqual([{ key: "loss", step: 0, value: 2 }]);
});

test("config that JSON would silently change is refused", async () => {
  await expect(client.startRun({ config: { lr: Number.NaN } })).rejects.toMatchObject({
    code: "INVALID_CONFIG",
    field: "lr",
  });
  const run = await client.startRun();
  expect(() => run.logParams({ big: 2 ** 60 })).toThrow(/2\^53/);
  await run.end();
});

test("logging after the end is refused", async () => {
  const run = await client.startRun();
  await run.end();
  expect(() => run.log({ a: 1 })).toThrow(expect.objectContaining({ code: "RUN_ENDED" }));
  await run.end();
});

test("flush waits for the acknowledgement, not for the send", async () => {
  const run = await client.startRun();
  run.log({ a: 1 });
  await run.flush();
  expect(stored(run.runId).points).toHaveLength(1);
  await run.end();
});

test("many rows travel in frames of about 4096 points", async () => {
  const run = await client.startRun();
  for (let i = 0; i < 20_000; i++) run.log({ a: i, b: -i });
  await run.end();
  const { points } = stored(run.runId);
  expect(points).toHaveLength(40_000);
  expect(points.at(-1)).toEqual({ key: "b", step: 19_999, value: -19_999 });
  expect(daemon.tracker.frames.length).toBeLessThanOrEqual(2 + Math.ceil(40_000 / 4096));
});

test("a call with more keys than a frame holds bytes for is split", async () => {
  const run = await client.startRun();
  const wide = Object.fromEntries(Array.from({ length: 6000 }, (_, i) => [`${i}`.padEnd(1000, "k"), i]));
  run.log(wide, 5);
  await run.end();
  const { points } = stored(run.runId);
  expect(points).toHaveLength(6000);
  expect(points.every((point) => point.step === 5)).toBe(true);
});

test("what a dead daemon took or lost without acknowledging is sent again, in order, and kept once", async () => {
  const run = await client.startRun();
  run.log({ a: 0 });
  await run.flush();
  const seen: number[] = [];
  daemon.tracker.fate = ({ seq }) => {
    seen.push(seq);
    return seq === 3 ? "taken" : "lost";
  };
  run.log({ a: 1 });
  await vi.waitFor(() => expect(seen).toEqual([3]));
  run.log({ a: 2 });
  await vi.waitFor(() => expect(seen).toEqual([3, 4]));
  daemon.stop();
  await vi.waitFor(() => expect(run.lastError?.code).toBe("DAEMON_UNAVAILABLE"), { timeout: 5000 });
  daemon.tracker.fate = () => "acknowledged";
  run.log({ a: 3 });
  await daemon.start();
  await run.end();
  expect(stored(run.runId).points.map((point) => point.value)).toEqual([0, 1, 2, 3]);
  expect(daemon.tracker.replays).toBe(1);
  expect(run.lastError).toBeUndefined();
});

test("with the daemon away the oldest points go, with a loud count", async () => {
  const warnings: Error[] = [];
  const listen = (warning: Error) => warnings.push(warning);
  process.on("warning", listen);
  const run = await client.startRun({ maxBufferedPoints: 1000 });
  daemon.stop();
  for (let i = 0; i < 5000; i++) run.log({ a: i });
  expect(run.dropped).toBeGreaterThanOrEqual(4000);
  await daemon.start();
  await run.end();
  const values = stored(run.runId).points.map((point) => point.value);
  expect(values.length).toBe(5000 - run.dropped);
  expect(values.at(-1)).toBe(4999);
  await vi.waitFor(() =>
    expect(warnings.some((warning) => /points of run .* were dropped/.test(warning.message))).toBe(true),
  );
  process.off("warning", listen);
});

test("flush gives up after its time with a sentence, and the points are still sent later", async () => {
  const run = await client.startRun();
  daemon.stop();
  run.log({ a: 1 });
  await expect(run.flush({ timeoutMs: 150 })).rejects.toMatchObject({
    code: "DAEMON_UNAVAILABLE",
    message: expect.stringContaining("1 points wait"),
  });
  const abort = new AbortController();
  const waiting = run.flush({ signal: abort.signal });
  abort.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  await daemon.start();
  await run.end();
  expect(stored(run.runId).points).toHaveLength(1);
});

test("a refused artifact rejects its own call and nothing else", async () => {
  const run = await client.startRun();
  daemon.tracker.intake = ({ records }) =>
    records[0]?.record?.$case === "artifact"
      ? new PipekitError("ARTIFACT_UNREADABLE", "No file is at /nowhere.", { field: "/nowhere" })
      : undefined;
  run.log({ a: 1 });
  await expect(run.logArtifact("/nowhere", "x")).rejects.toMatchObject({
    code: "ARTIFACT_UNREADABLE",
    field: "/nowhere",
  });
  run.log({ a: 2 });
  await run.end();
  expect(stored(run.runId).points).toHaveLength(2);
});

test("a run left without end() ends as failed", async () => {
  let runId = "";
  {
    await using run = await client.startRun();
    runId = run.runId;
    run.log({ a: 1 });
  }
  expect(stored(runId).run).toMatchObject({ state: RunState.RUN_STATE_FAILED });
});

test("withRun ends the run as its work ends", async () => {
  const good = await client.withRun({}, (run) => run.runId);
  expect(stored(good).run.state).toBe(RunState.RUN_STATE_COMPLETED);
  let bad = "";
  const failing = client.withRun({}, (run) => {
    bad = run.runId;
    throw new Error("diverged");
  });
  await expect(failing).rejects.toThrow("diverged");
  expect(stored(bad).run).toMatchObject({ state: RunState.RUN_STATE_FAILED, reason: "Error: diverged" });
});

test("runs are read back: paging, series in parts, watching", async () => {
  for (let i = 0; i < 8; i++) {
    const run = await client.startRun({ name: `run ${i}` });
    for (let step = 0; step < 5; step++) run.log({ loss: 1 / (step + 1) }, step * 10);
    await run.end();
  }
  const listed = await Array.fromAsync(client.listRuns());
  expect(listed.map((run) => run.name).toSorted()).toEqual(Array.from({ length: 8 }, (_, i) => `run ${i}`));
  expect(await Array.fromAsync(client.listRuns({ state: "running" }))).toEqual([]);

  const id = listed[0]?.runId ?? "";
  const [series] = await client.readSeries(id, { keys: ["loss"] });
  expect(series).toMatchObject({ key: "loss", pointsInRange: 5 });
  expect([...(series?.steps ?? [])]).toEqual([0, 10, 20, 30, 40]);
  expect(series?.values[4]).toBeCloseTo(0.2);
  await expect(client.getRun("nothing-like-it")).rejects.toMatchObject({
    code: "RUN_NOT_FOUND",
    mend: "See `pkx runs list`.",
  });

  const seen: string[] = [];
  for await (const run of client.watchRuns()) {
    seen.push(run.name);
    if (seen.length === 8) break;
  }
  expect(seen).toHaveLength(8);
});

test("a call makes its way after the daemon came back", async () => {
  daemon.stop();
  await expect(client.getRun("abcdefgh")).rejects.toMatchObject({ code: "DAEMON_UNAVAILABLE" });
  await daemon.start();
  await expect(client.getRun("abcdefgh")).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
});
