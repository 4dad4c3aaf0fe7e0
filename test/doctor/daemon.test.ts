/** Faults that a running daemon has or knows of: each made, found, mended as it says, and gone. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, connect, SinkState } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { answer } from "../support/fake-http.ts";
import { type FakeMlflow, startFakeMlflow } from "../support/fake-mlflow.ts";
import { startFakeS3 } from "../support/fake-s3.ts";
import { Home } from "./home.ts";

let home: Home;
let daemon: TestDaemon;
let client: Client;
let mlflow: FakeMlflow;

beforeAll(async () => {
  home = new Home();
  home.configure("disk_quota_gb: 0.05\n");
  mlflow = await startFakeMlflow();
  daemon = await start();
  client = await connect({ endpoint: daemon.endpoint });
});
function start(): Promise<TestDaemon> {
  const env = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" };
  return startDaemon({ home: home.folder, args: ["--config", home.configFile], env });
}

afterAll(async () => {
  client.close();
  await daemon.stop();
  await mlflow.close();
  home.remove();
});

/** A run of one point at the fake MLflow; resolves once its sink says so. */
async function runUntil(state: SinkState | "told"): Promise<string> {
  const run = await client.startRun({ sinks: [`mlflow+http://${mlflow.host}/x`] });
  run.log({ loss: 1 }, 0);
  await run.end();
  await sinkIs(run.runId, state);
  return run.runId;
}

async function sinkIs(runId: string, wanted: SinkState | "told"): Promise<void> {
  await expect
    .poll(
      async () => {
        const { sinks } = await client.sinkStatus(runId);
        return wanted === "told" ? sinks[0]?.lastError !== "" : sinks[0]?.state === wanted;
      },
      { timeout: 10_000 },
    )
    .toBe(true);
}

test("a sound daemon", async () => {
  const findings = await home.findings();
  expect(findings.filter(({ state }) => state !== "ok")).toEqual([]);
  expect(new Set(findings.map(({ check }) => check))).toContain("open files");
});

test("a server that fails, until it does not", async () => {
  mlflow.misbehave(() => answer(503, {}));
  const runId = await runUntil("told");
  expect((await home.problem("sinks")).message).toMatch(/is retrying for 1 run: MLflow at .* 503/);
  mlflow.misbehave(() => undefined);
  await sinkIs(runId, SinkState.SINK_STATE_DONE);
  await home.green();
});

test("a tool that will not have a run, until it is asked again", async () => {
  const deleted = { experiment: { experiment_id: "1", lifecycle_stage: "deleted" } };
  mlflow.misbehave(({ path }) => (path.includes("get-by-name") ? answer(200, deleted) : undefined));
  await runUntil(SinkState.SINK_STATE_REFUSED);
  const { message, mend } = await home.problem("sinks");
  expect(message).toContain("is refused for 1 run");
  const [, runId = "", spec = ""] = /: pkx sync (\w+) --to '(.+)'$/.exec(mend) ?? [];
  mlflow.misbehave(() => undefined);
  expect(await home.pkx("sync", runId, "--to", spec)).toMatchObject({ code: 0 });
  await home.green();
});

test("what a tool refuses for good, until it is sent once more", async () => {
  mlflow.misbehave(({ path }) => {
    if (path.includes("log-batch"))
      return answer(400, { error_code: "INVALID_PARAMETER_VALUE", message: "no" });
    // The adapter looks whether the run was deleted.
    return path.includes("runs/get?")
      ? answer(200, { run: { info: { lifecycle_stage: "active" } } })
      : undefined;
  });
  const runId = await runUntil(SinkState.SINK_STATE_DONE);
  const { message, mend } = await home.problem("dead letters");
  expect(message).toBe("Sinks refused 1 batch for good.");
  mlflow.misbehave(() => undefined);
  expect(mend).toContain("`pkx dead-letters redrive RUN`");
  expect(await home.pkx("dead-letters", "redrive", runId)).toMatchObject({ code: 0 });
  await home.green();
});

test("a quota that is nearly reached, until there is room again", async () => {
  mkdirSync(join(daemon.stateFolder, "spool"), { recursive: true });
  const spooled = join(daemon.stateFolder, "spool/other");
  writeFileSync(spooled, Buffer.alloc(40e6));
  await expect.poll(async () => (await client.status()).warnings.length, { timeout: 5000 }).toBe(1);
  expect((await home.problem("warnings")).message).toMatch(/takes 8\d % of its quota of 0\.05 GB/);
  rmSync(spooled);
  await expect.poll(async () => (await client.status()).warnings.length, { timeout: 5000 }).toBe(0);
  await home.green();
});

test("a clock that went back", async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - 3_600_000 });
  try {
    const notes = (await home.findings()).filter(({ check }) => check === "clock");
    expect(notes.map(({ message }) => message)).toEqual([
      expect.stringContaining("went back since the daemon's start"),
      expect.stringMatching(/^\d runs began after now/),
    ]);
  } finally {
    vi.useRealTimers();
  }
});

test("another runtime folder than the daemon's", async () => {
  const env = home.env;
  home.env = { ...env, PKX_RUNTIME_DIR: join(home.folder, "elsewhere") };
  const found = await home.problem("lock");
  expect(found.message).toContain(`listens at ${daemon.socketPath}`);
  const [endpoint = ""] = /unix:\S+(?=,)/.exec(found.mend) ?? [];
  home.env = { ...env, PKX_ENDPOINT: endpoint };
  await home.green();
  home.env = env;
});

test("credentials that are refused, until they are taken; at once by the next daemon", async () => {
  mlflow.misbehave(() => answer(401, {}));
  const runId = await runUntil("told");
  const { message, mend } = await home.problem("sinks");
  expect(message).toContain("does not accept the credentials");
  expect(mend).toContain("`pkx stop`");
  mlflow.misbehave(() => undefined);
  expect(await home.pkx("stop")).toMatchObject({ code: 0 });
  daemon = await start();
  await sinkIs(runId, SinkState.SINK_STATE_DONE);
  await home.green();
});

test("a registry whose server does not keep conditions, for a day", async () => {
  const operator = join(home.folder, "op.json");
  writeFileSync(operator, '{"module":"nets","class":"Digits","config":{"width":32}}');
  const server = await startFakeS3("ignores");
  const registry = `s3://models/p/?endpoint=${server.endpoint}&region=us-east-1`;
  const stored = await home.pkx("models", "store", operator, "--name", "prod", "--registry", registry);
  expect(stored).toMatchObject({ code: 1, err: expect.stringContaining("REGISTRY_REFUSED") });
  await server.stop();
  expect(await home.problem("registries")).toMatchObject({
    message: expect.stringMatching(/^The last Store in s3:\/\/models\/p\/.*failed: REGISTRY_REFUSED/),
    mend: expect.stringContaining("atomic conditional writes"),
  });
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 25 * 3_600_000 });
  await home.green().finally(() => vi.useRealTimers());
  // A change that succeeds takes its place; this one is in another registry, and so it does not.
  expect(await home.pkx("models", "store", operator, "--name", "prod")).toMatchObject({ code: 0 });
  await home.problem("registries");
});
