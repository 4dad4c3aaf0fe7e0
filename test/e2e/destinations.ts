/** Destinations of one run, servers behind networks that can be made to fail, and what each of them shows of it. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type FakeClearml, KEYS, startFakeClearml } from "../support/fake-clearml.ts";
import { type FakeHttp, startFakeHttp } from "../support/fake-http.ts";
import { FAKE_KEY, type FakeWandb, shownRows, startFakeWandb } from "../support/fake-wandb.ts";
import { runsOf, shownRun } from "../support/mlflow-client.ts";
import { type MlflowServer, startMlflowServer } from "../support/mlflow-server.ts";
import { toolPath } from "../support/tools.ts";
import { lastJson, output, python } from "./demo/processes.ts";

/** Points of each key, in the order of their steps. */
export type Shown = Readonly<Record<string, readonly (readonly [step: number, value: number])[]>>;

/** The daemon's environment: credentials are references in the specs. */
export const CREDENTIALS = {
  BAD_DAY_WANDB_KEY: FAKE_KEY,
  BAD_DAY_CLEARML_ACCESS: KEYS.access,
  BAD_DAY_CLEARML_SECRET: KEYS.secret,
};

const NAME = "bad-day";
const READER = join(import.meta.dirname, "read_files.py");
/** Keys of a history row that are not metrics: W&B's own, and the x-axis that the adapter adds. */
const OWN_KEY = /^(_|pipekit\/)/;
const WANDB = toolPath("wandb");

/** Six destinations: three servers behind `networks`, and three folders below `folder`. */
export class Destinations {
  readonly mlflow: MlflowServer;
  readonly wandb: FakeWandb;
  readonly clearml: FakeClearml;
  readonly networks: { readonly mlflow: FakeHttp; readonly wandb: FakeHttp; readonly clearml: FakeHttp };
  readonly folder: string;

  private constructor(
    folder: string,
    mlflow: MlflowServer,
    wandb: FakeWandb,
    clearml: FakeClearml,
    networks: Destinations["networks"],
  ) {
    this.folder = folder;
    this.mlflow = mlflow;
    this.wandb = wandb;
    this.clearml = clearml;
    this.networks = networks;
  }

  static async start(folder: string): Promise<Destinations> {
    for (const name of ["mlflow", "wandb", "events", "clearml"]) mkdirSync(join(folder, name));
    const [mlflow, wandb, clearml] = await Promise.all([
      startMlflowServer({ folder: join(folder, "mlflow") }),
      startFakeWandb(),
      startFakeClearml(),
    ]);
    const networks = {
      mlflow: await startFakeHttp(mlflow.url),
      wandb: await startFakeHttp(wandb.url),
      clearml: await startFakeHttp(clearml.url),
    };
    wandb.storeUrl = networks.wandb.url;
    return new Destinations(folder, mlflow, wandb, clearml, networks);
  }

  /** The specs, by what they are. */
  get specs() {
    const { mlflow, wandb, clearml } = this.networks;
    const keys = "access_key=env:BAD_DAY_CLEARML_ACCESS&secret_key=env:BAD_DAY_CLEARML_SECRET";
    return {
      mlflow: `mlflow+http://${mlflow.host}/${NAME}`,
      wandb: `wandb+http://${wandb.host}/team/${NAME}?key=env:BAD_DAY_WANDB_KEY`,
      wandbOffline: `wandb+offline://${join(this.folder, "wandb")}?project=${NAME}`,
      tensorboard: `tensorboard://${join(this.folder, "events")}`,
      clearml: `clearml+http://${clearml.host}/${NAME}?${keys}`,
      clearmlOffline: `clearml+offline://${join(this.folder, "clearml")}?project=${NAME}`,
    };
  }

  /** What each destination shows of the run. ClearML's keys are title and series. */
  async shown(runId: string): Promise<Record<keyof Destinations["specs"], Shown>> {
    const [run] = await runsOf(this.mlflow.url, NAME, runId);
    if (run === undefined) throw new Error("MLflow does not show the run.");
    const byMlflow = (await shownRun(this.mlflow.url, run)).points;
    return {
      mlflow: grouped(byMlflow.map(({ key, step, value }) => [key, step, value])),
      wandb: wandbHistory(this.wandb, runId),
      wandbOffline: await syncedOffline(join(this.folder, "wandb"), runId),
      tensorboard: await readFolder("tensorboard", join(this.folder, "events")),
      clearml: this.#clearmlScalars(runId),
      clearmlOffline: await readFolder("clearml", join(this.folder, "clearml")),
    };
  }

  async close(): Promise<void> {
    for (const network of Object.values(this.networks)) await network.close();
    await this.wandb.close();
    await this.clearml.close();
    await this.mlflow.stop();
  }

  #clearmlScalars(runId: string): Shown {
    const tasks = this.clearml.state.tasks.filter((task) => JSON.stringify(task).includes(runId));
    if (tasks.length !== 1) throw new Error(`ClearML shows ${tasks.length} tasks.`);
    const events = [...this.clearml.state.events.values()].filter(
      ({ task, type }) => task === tasks[0]?.id && type === "training_stats_scalar",
    );
    return grouped(
      events.map(({ metric, variant, iter, value }) => [
        `${metric}/${variant}`,
        Number(iter),
        Number(value ?? Number.NaN),
      ]),
    );
  }
}

/** What W&B shows of the one run with our run id. */
function wandbHistory(server: FakeWandb, runId: string): Shown {
  const [run, ...others] = server.runsOf(runId);
  if (run === undefined || others.length > 0) throw new Error("W&B does not show one run.");
  return grouped(
    shownRows(run).flatMap((row) =>
      Object.entries(row).flatMap(([key, value]): [string, number, number][] =>
        OWN_KEY.test(key) ? [] : [[key, Number(row["_step"]), Number(value)]],
      ),
    ),
  );
}

/** Lets W&B's own client bring the offline runs below `folder` to a server, and reads it there. */
export async function syncedOffline(folder: string, runId: string): Promise<Shown> {
  const server = await startFakeWandb();
  const env = { ...process.env, WANDB_BASE_URL: server.url, WANDB_API_KEY: FAKE_KEY, WANDB_SILENT: "true" };
  try {
    await output(WANDB, ["sync", "--yes"], env, folder);
    return wandbHistory(server, runId);
  } finally {
    await server.close();
  }
}

/** Reads the one run in a folder, by the tool's own reader where it has one. ClearML's keys are title and series. */
export async function readFolder(kind: "tensorboard" | "clearml", folder: string): Promise<Shown> {
  const series = lastJson(await python(READER, [kind, folder], process.env)) as Shown;
  return grouped(
    Object.entries(series).flatMap(([key, points]) =>
      points.map(([step, value]): [string, number, number] => [key, step, value]),
    ),
  );
}

/** Groups points by key and sorts them by step. */
export function grouped(points: readonly (readonly [key: string, step: number, value: number])[]): Shown {
  const shown: Record<string, [number, number][]> = {};
  for (const [key, step, value] of points) {
    shown[key] ??= [];
    shown[key].push([step, value]);
  }
  for (const series of Object.values(shown)) series.sort(([a], [b]) => a - b);
  return shown;
}
