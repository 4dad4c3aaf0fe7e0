/** The pages of docs/examples, run as they stand there, and what the real tools show of them afterwards. */

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { type Client, connect } from "@pipekit/experiment";
import { RunState, SinkState } from "@pipekit/proto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FAKE_KEY, type FakeWandb, shownRows, startFakeWandb } from "../../support/fake-wandb.ts";
import { mlflowCall, runsOf, shownRun } from "../../support/mlflow-client.ts";
import { type MlflowServer, startMlflowServer } from "../../support/mlflow-server.ts";
import { ADMIN, type S3Server, startSeaweed } from "../../support/seaweed.ts";
import { pipekitEnv, ROOT } from "../demo/processes.ts";
import { readPage, runPage } from "./page.ts";

/** The addresses that the pages show. */
const SHOWN = { mlflow: "http://127.0.0.1:5000", s3: "http://127.0.0.1:8333" };
const PAGE_MS = 180_000;

const home = mkdtempSync(join(tmpdir(), "pkx-"));
let mlflow: MlflowServer;
let s3: S3Server;
let wandb: FakeWandb;
let env: NodeJS.ProcessEnv;
let client: Client;

beforeAll(async () => {
  [mlflow, s3, wandb] = await Promise.all([startMlflowServer(), startSeaweed(), startFakeWandb()]);
  env = {
    ...pipekitEnv(home),
    ...s3.env(),
    HOME: home,
    USER: "reader",
    WANDB_BASE_URL: wandb.url,
    WANDB_API_KEY: FAKE_KEY,
    DVC_NO_ANALYTICS: "1",
    METAFLOW_USER: "reader",
  };
  const bucket = new S3Client({
    ...{ endpoint: s3.endpoint, region: "us-east-1", forcePathStyle: true },
    credentials: { accessKeyId: ADMIN.accessKey, secretAccessKey: ADMIN.secretKey },
  });
  await bucket.send(new CreateBucketCommand({ Bucket: "imeo-models" }));
  bucket.destroy();
  client = await connect({ env });
}, 150_000);

afterAll(async () => {
  await client.shutdown();
  client.close();
  await Promise.all([mlflow.stop(), s3.stop(), wandb.close()]);
  rmSync(home, { recursive: true, force: true });
});

/** Runs a page in a folder of its own, and gives the run ids that it made, oldest first. */
async function play(name: string): Promise<{ printed: string; runIds: string[] }> {
  const before = new Set(await allRuns());
  const folder = join(home, name.replace(".md", ""));
  mkdirSync(folder);
  const addresses = { [SHOWN.mlflow]: mlflow.url, [SHOWN.s3]: s3.endpoint };
  const printed = await runPage(readPage(name), folder, env, addresses);
  const runIds = (await allRuns()).filter((id) => !before.has(id));
  return { printed, runIds: runIds.toReversed() };
}

/** Newest first. */
async function allRuns(): Promise<string[]> {
  return (await Array.fromAsync(client.listRuns())).map(({ runId }) => runId);
}

/** Waits until every sink of the runs has everything. */
async function delivered(runIds: readonly string[]): Promise<void> {
  const states = async () => {
    const reports = await Promise.all(runIds.map((id) => client.sinkStatus(id)));
    return new Set(reports.flatMap(({ sinks }) => sinks.map(({ state }) => state)));
  };
  await expect.poll(states, { timeout: 60_000, interval: 100 }).toEqual(new Set([SinkState.SINK_STATE_DONE]));
}

test("every page is run here", () => {
  const pages = readdirSync(join(ROOT, "docs/examples")).filter((name) => name !== "README.md");
  expect(pages.toSorted()).toEqual([
    "metaflow-flow.md",
    "models-in-s3.md",
    "train-with-mlflow.md",
    "training-artifact.md",
    "two-trackers.md",
  ]);
});

test("train with MLflow", { timeout: PAGE_MS }, async () => {
  const { printed, runIds } = await play("train-with-mlflow.md");
  await delivered(runIds);
  expect(runIds).toHaveLength(1);
  const [run] = await runsOf(mlflow.url, "digits", runIds[0] ?? "");
  if (run === undefined) throw new Error("MLflow does not show the run.");
  const shown = await shownRun(mlflow.url, run);
  expect(shown.state).toBe("completed");
  expect(shown.params).toMatchObject({ n_epochs: "6", "optimizer_config.lr": "0.01" });
  const points = Object.groupBy(shown.points, ({ key }) => key);
  expect(points["epoch/loss"]).toHaveLength(6);
  expect(points["eval/loss"]).toHaveLength(6);
  expect(points["loss"]?.length).toBe(6 * Math.ceil(1500 / 32));
  const hash = /^model ([0-9a-f]{64})$/m.exec(printed)?.[1];
  const query = new URLSearchParams({ name: "digits", alias: "digits-latest" });
  const { model_version: version } = await mlflowCall<{ model_version: { source: string; run_id: string } }>(
    mlflow.url,
    `registered-models/alias?${query}`,
  );
  expect(version.source).toContain(hash);
  expect(version.run_id).toBe(run.info.run_id);
});

test("models in S3", { timeout: PAGE_MS }, async () => {
  const { printed } = await play("models-in-s3.md");
  const stored = /^stored ([0-9a-f]{64})$/m.exec(printed)?.[1];
  expect(printed).toMatch(new RegExp(`^loaded ${stored} rmse \\d+\\.\\d+$`, "m"));
  expect(printed).toMatch(/^predicts \[\d+\.\d, \d+\.\d, \d+\.\d\]$/m);
});

test("two trackers", { timeout: PAGE_MS }, async () => {
  const { runIds } = await play("two-trackers.md");
  await delivered(runIds);
  expect(runIds).toHaveLength(3);
  const [first = "", second = "", both = ""] = runIds;
  const inMlflow = async (id: string) => {
    const [run] = await runsOf(mlflow.url, "digits-both", id);
    return run && (await shownRun(mlflow.url, run)).points.map(({ key, step, value }) => [key, step, value]);
  };
  const inWandb = (id: string) => {
    const [run] = wandb.runsOf(id);
    return run && shownRows(run);
  };
  const byMlflow = (await inMlflow(first)) ?? (await inMlflow(second));
  const byWandb = inWandb(second) ?? inWandb(first);
  expect(byMlflow?.length).toBeGreaterThan(0);
  const points = byWandb?.flatMap((row) =>
    Object.keys(row)
      .filter((key) => !/^(_|pipekit\/)/.test(key))
      .map((key) => [key, row["_step"], row[key]]),
  );
  expect(points?.toSorted()).toEqual(byMlflow?.toSorted());
  expect(await inMlflow(both)).toHaveLength(100);
  expect(inWandb(both)?.filter((row) => "loss" in row)).toHaveLength(100);
});

test("a training artifact", { timeout: PAGE_MS }, async () => {
  const { printed } = await play("training-artifact.md");
  expect(printed).toMatch(/^saved [0-9a-f]{64}$/m);
  expect(printed).toMatch(/^same model True$/m);
  expect(printed).toMatch(/^same weights True$/m);
});

test("a Metaflow flow", { timeout: PAGE_MS }, async () => {
  const { printed, runIds } = await play("metaflow-flow.md");
  const found = /model ([0-9a-f]{64}) accuracy (\d\.\d\d)/.exec(printed);
  expect(Number(found?.[2])).toBeGreaterThan(0.8);
  expect(runIds).toHaveLength(1);
  const run = await client.getRun(runIds[0] ?? "");
  expect(run).toMatchObject({ name: "DigitsFlow/train", state: RunState.RUN_STATE_COMPLETED });
  expect(run.tags["metaflow/pathspec"]).toMatch(/^DigitsFlow\/\d+\/train\/\d+$/);
  expect(await client.registry().stat(found?.[1] ?? "")).toMatchObject({ runId: run.runId });
});
