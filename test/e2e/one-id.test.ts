/** A hash is the model: whoever stores it, wherever, in whichever order, it has the one id of test/golden. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { startMlflowServer } from "../support/mlflow-server.ts";
import { BUCKET, startSeaweed } from "../support/seaweed.ts";
import { lastJson, node, pipekitEnv, python, ROOT } from "./demo/processes.ts";

const Golden = z.object({
  cases: z.array(
    z.object({
      name: z.string(),
      operator: z.string(),
      training_config: z.string().nullable(),
      dataset: z.string(),
      weights: z.string().nullable(),
      hash: z.string(),
    }),
  ),
});
const golden = Golden.parse(JSON.parse(readFileSync(join(ROOT, "test/golden/model-ids.json"), "utf8")));
const model = golden.cases.find(({ name }) => name === "all parts");
if (model?.training_config == null || model.weights == null)
  throw new Error("The golden model lacks a part.");
const { hash, weights } = model;
const operator = JSON.parse(model.operator);
const trainingConfig = JSON.parse(model.training_config);

const home = mkdtempSync(join(tmpdir(), "pkx-"));
const file = (name: string, content: string): string => {
  writeFileSync(join(home, name), content);
  return join(home, name);
};
let env: NodeJS.ProcessEnv;
let client: Client;
let registries: string[];
let stop: () => Promise<unknown>;

beforeAll(async () => {
  const [s3, mlflow] = await Promise.all([startSeaweed(), startMlflowServer()]);
  env = { ...pipekitEnv(home), ...s3.env() };
  client = await connect({ env });
  const query = new URLSearchParams({ endpoint: s3.endpoint, path_style: "true", region: "us-east-1" });
  registries = [
    `local:${home}/models`,
    `s3://${BUCKET}/one-id/?${query}`,
    `mlflow+http://${mlflow.host}/one-id`,
  ];
  stop = () => Promise.all([s3.stop(), mlflow.stop()]);
}, 120_000);
afterAll(async () => {
  await client.shutdown();
  client.close();
  await stop();
  rmSync(home, { recursive: true, force: true });
});

test("Python, TypeScript and the terminal store one model in a folder, S3 and MLflow: one id", async () => {
  const weightsFile = file("weights.bin", weights);
  const document = {
    operator,
    weights: weightsFile,
    training_config: trainingConfig,
    dataset: model.dataset,
  };
  const spec = file("model.json", JSON.stringify({ ...document, registries }));
  const byPython = lastJson(await python(join(ROOT, "test/e2e/one_id.py"), [spec], env));

  const byTypeScript: string[] = [];
  const byTerminal: string[] = [];
  const operatorFile = file("operator.json", model.operator);
  const configFile = file("config.json", model.training_config ?? "");
  for (const registry of registries) {
    const stored = await client.registry(registry).store({
      operator,
      weights: Buffer.from(weights),
      trainingConfig,
      datasetHash: model.dataset,
    });
    expect(stored.created, "Python has stored it before").toBe(false);
    byTypeScript.push(stored.model.hash);
    const options = ["--registry", registry, "--weights", weightsFile, "--training-config", configFile];
    const told = await node(
      join(ROOT, "daemon/main.ts"),
      ["models", "store", operatorFile, ...options, "--dataset-hash", model.dataset, "--json"],
      env,
    );
    byTerminal.push(z.object({ model: z.object({ hash: z.string() }) }).parse(JSON.parse(told)).model.hash);
  }
  const once = [hash, hash, hash];
  expect({ byPython, byTypeScript, byTerminal }).toEqual({
    byPython: once,
    byTypeScript: once,
    byTerminal: once,
  });

  for (const registry of registries) {
    const models = await Array.fromAsync(client.registry(registry).list());
    expect(models.map((each) => each.hash)).toEqual([hash]);
    expect(String(await client.registry(registry).loadWeights(hash))).toBe(weights);
    for await (const { problems } of client.registry(registry).verify()) expect(problems).toEqual([]);
  }
}, 120_000);
