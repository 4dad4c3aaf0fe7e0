import { connect, RunState } from "@pipekit/experiment";
import { ulid } from "ulid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { FakeDaemon } from "../support/fake-daemon.ts";

let daemon: TestDaemon;

beforeAll(async () => {
  daemon = await startDaemon();
});

afterAll(() => daemon.stop());

test("a run is started, goes on after its end with the next step, and keeps its name and config", async () => {
  const client = await connect({ endpoint: daemon.endpoint });
  const runId = ulid();
  const first = await client.startRun({ name: "first", config: { lr: 1 }, runId, resume: true });
  first.log({ loss: 3 });
  first.log({ loss: 2 });
  await first.end("failed", { reason: "lost" });
  const again = await client.startRun({ name: "second", config: { lr: 2 }, runId, resume: true });
  expect(await client.getRun(runId)).toMatchObject({ state: RunState.RUN_STATE_RUNNING, reason: "" });
  again.log({ loss: 1 });
  await again.end();
  const run = await client.getRun(runId);
  expect(run).toMatchObject({
    name: "first",
    configJson: '{"lr":1}',
    points: 3,
    state: RunState.RUN_STATE_COMPLETED,
  });
  const [series] = await client.readSeries(runId);
  expect(Array.from(series?.steps ?? [], Number)).toEqual([0, 1, 2]);
  expect(Array.from(series?.values ?? [])).toEqual([3, 2, 1]);
  client.close();
});

test("a resume without an id, and by a daemon that knows of none, is refused by name", async () => {
  const fake = await new FakeDaemon().start();
  const old = await connect({ endpoint: fake.endpoint });
  await expect(old.startRun({ runId: ulid(), resume: true })).rejects.toMatchObject({
    code: "PROTOCOL_MISMATCH",
  });
  await expect(old.startRun({ resume: true })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    field: "runId",
  });
  old.close();
  fake.remove();
});
