/** What the tests in VS Code look at: a daemon with runs and models, and a folder with files that name them. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, connect, type Registry, type RunWriter } from "@pipekit/experiment";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { answer } from "../support/fake-http.ts";
import { type FakeMlflow, startFakeMlflow } from "../support/fake-mlflow.ts";

export interface World extends AsyncDisposable {
  daemon: TestDaemon;
  readonly home: string;
  /** The folder that is open in the editor. */
  readonly workspace: string;
  readonly client: Client;
  readonly registry: Registry;
  /** Hash of the model that `production` points to at first, and of one that is newer. */
  readonly first: string;
  readonly second: string;
  /** A run that goes on. */
  readonly running: RunWriter;
  /** A run that failed, one point of which its tracker refuses until `forgive`. */
  readonly failed: string;
  forgive(): void;
  /** Runs that ended well: two. */
  readonly ended: readonly string[];
  /** Starts the daemon anew where it was. */
  restart(): Promise<void>;
}

/** A tracker that is not there: nothing listens on the discard port. */
const NOBODY = "mlflow+http://127.0.0.1:9/vision";

const PYTHON = `import pipekit_experiment as pe

registry = pe.LocalModelRegistry()
model = registry.load("production")

with pe.start_run("resnet") as run:
    run.log({"loss": 0.5})
`;

const TYPESCRIPT = `import { connect } from "@pipekit/experiment";

const client = await connect();
const registry = client.registry();
export const model = await registry.load("production");
`;

const YAML = `_target_: pipekit_experiment.operators.ModelRef
ref: production
`;

export async function openWorld(): Promise<World> {
  const home = temporaryHome();
  const workspace = join(home, "work");
  mkdirSync(workspace);
  writeFileSync(join(workspace, "train.py"), PYTHON);
  writeFileSync(join(workspace, "serve.ts"), TYPESCRIPT);
  writeFileSync(join(workspace, "pipeline.yaml"), YAML);
  const daemonHome = join(home, "d");
  mkdirSync(daemonHome);
  const daemon = await startDaemon({ home: daemonHome });
  const client = await connect({ endpoint: daemon.endpoint });
  const registry = client.registry();
  const ended = [await train(client, "resnet-lr-1e-3", 0.9), await train(client, "resnet-lr-3e-3", 1.4)];
  const mlflow = await startFakeMlflow();
  const failed = await fail(client, mlflow);
  const running = await client.startRun({
    name: "resnet-lr-3e-4",
    sinks: [NOBODY],
    config: { optimizer: { name: "adamw", lr: 3e-4 }, epochs: 90 },
    tags: { dataset: "imagenet" },
  });
  for (let step = 0; step < 300; step++) running.log(metrics(step, 1), step);
  await running.flush();
  const store = async (width: number) => {
    const operator = { module: "vision", class: "ResNet", config: { width } };
    const stored = await registry.store({
      operator,
      weights: Buffer.alloc(2_500_000, width),
      runId: ended[0],
    });
    return stored.model.hash;
  };
  const first = await store(1);
  const second = await store(2);
  await registry.tag(first, "production", { reason: "better on night images", actor: "ada" });
  await registry.tag(second, "candidate", { reason: "nightly", actor: "grace" });
  const world: World = {
    daemon,
    home,
    workspace,
    client,
    registry,
    first,
    second,
    running,
    failed,
    forgive: () => mlflow.misbehave(() => undefined),
    ended,
    async restart() {
      world.daemon = await startDaemon({ home: daemonHome });
    },
    async [Symbol.asyncDispose]() {
      client.close();
      await world.daemon.stop();
      await mlflow.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
  return world;
}

/** Values that look like a training's. */
export function metrics(step: number, height: number): Record<string, number> {
  const wave = Math.sin(step * 12.9898) * 0.04;
  return {
    loss: height * Math.exp(-step / 90) + 0.05 + wave * Math.exp(-step / 200),
    accuracy: 1 - 0.8 * height * Math.exp(-step / 110) + wave / 4,
    "val/loss": height * Math.exp(-step / 80) + 0.12 + wave / 3,
  };
}

async function train(client: Client, name: string, height: number): Promise<string> {
  const run = await client.startRun({
    name,
    config: { optimizer: { name: "adamw", lr: height / 900 }, epochs: 90 },
  });
  for (let step = 0; step < 300; step++) run.log(metrics(step, height), step);
  await run.end();
  return run.runId;
}

/** Ends a run as failed, once its tracker has refused its only point for good. */
async function fail(client: Client, mlflow: FakeMlflow): Promise<string> {
  const fault = answer(400, { error_code: "INVALID_PARAMETER_VALUE", message: "the value is too large" });
  const active = answer(200, { run: { info: { lifecycle_stage: "active" } } });
  mlflow.misbehave(({ path }) => {
    if (path.includes("runs/log-batch")) return fault;
    return path.includes("runs/get") ? active : undefined;
  });
  const sinks = [`mlflow+http://${mlflow.host}/vision`];
  const run = await client.startRun({ name: "resnet-lr-1e-1", sinks });
  run.log({ loss: 1e30 }, 0);
  await run.end("failed", { reason: "the loss diverged" });
  for await (const { sinks } of client.watchRuns([run.runId])) {
    if (sinks.some(({ pointsDead }) => pointsDead > 0)) break;
  }
  return run.runId;
}
