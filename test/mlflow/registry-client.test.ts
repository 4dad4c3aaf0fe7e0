/** What the registry stores in MLflow as MLflow's own client sees it, with the run that made it. */
import { execFile } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { mlflowTracker } from "@pipekit/adapters/mlflow";
import { afterAll, beforeAll, expect, test } from "vitest";
import { toolPath } from "../support/tools.ts";
import {
  metadataOf,
  nameIn,
  never,
  sha256,
  startWorld,
  storeModel,
  tagBytes,
  type World,
} from "./registry-support.ts";
import { newRun, openRun } from "./support.ts";

const PYTHON = toolPath("python");

let world: World;
beforeAll(async () => {
  world = await startWorld();
}, 120_000);
afterAll(() => world.close());

test("MLflow's client finds the model by alias, its files and its run", { timeout: 120_000 }, async () => {
  const run = newRun({ name: "training" });
  const { adapter } = await openRun(mlflowTracker, `mlflow://${world.server.host}/some-experiment`, run);
  await adapter.send([{ kind: "params", params: { lr: "0.1" } }], never);
  const spec = world.freshSpec();
  const backend = await world.open(spec);
  await storeModel(backend, "older");
  const hash = await storeModel(backend, "newer", { run_id: run.runId });
  await storeModel(backend, "orphan", { run_id: "01NORUNOFTHISSERVER" });
  await backend.create("_tags/production.txt", tagBytes(hash, 1), never);

  const folder = mkdtempSync(join(world.scratch, "client-"));
  const script = join(import.meta.dirname, "registry_client.py");
  const args = [script, world.server.url, nameIn(spec), "production", folder];
  const { stdout } = await promisify(execFile)(PYTHON, args);
  const files = {
    "metadata.json": sha256(metadataOf("newer", { run_id: run.runId }).bytes),
    "operator.yaml": sha256("module: pkg.models\n"),
    "weights.bin": sha256("w newer"),
  };
  expect(JSON.parse(stdout)).toEqual({
    version: "2",
    status: "READY",
    description: expect.stringContaining("**pkg.models.Net**"),
    tags: expect.objectContaining({ "pipekit.hash": hash, "pipekit.run_id": run.runId }),
    aliases: ["production"],
    files: [files, files],
    run: { name: "training", params: { lr: "0.1" } },
    versions: expect.arrayContaining(["1", "2", "3"]),
  });
});
