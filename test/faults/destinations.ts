/** Six destinations that keep what they get, and what came of a run's points at each of them. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { sessionsOf } from "../clearml/sessions.ts";
import { shownRun, tasksOf } from "../clearml/support.ts";
import { type FakeClearml, KEYS, startFakeClearml } from "../support/fake-clearml.ts";
import { type FakeMlflow, startFakeMlflow } from "../support/fake-mlflow.ts";
import { FAKE_KEY, type FakeWandb, shownRows, startFakeWandb } from "../support/fake-wandb.ts";
import { type PythonReader, startPythonReader } from "../support/python-reader.ts";
import { OfflineRecords } from "../wandb/offline-records.ts";
import { type Damage, damageOf, type Logged } from "./trainer.ts";

/** The schemes of their specs. */
export const SCHEMES = [
  "mlflow",
  "wandb+http",
  "wandb+offline",
  "tensorboard",
  "clearml+http",
  "clearml+offline",
] as const;

export type Scheme = (typeof SCHEMES)[number];

/** What is wrong with a run, and how many runs of our id there are. */
export interface Copy extends Damage {
  readonly runs: number;
}

export const WHOLE: Copy = { lost: 0, doubled: 0, misplaced: 0, runs: 1 };

/** A point as a tool shows it, in the tool's order. */
interface Point {
  readonly key: string;
  readonly value: number;
}

/** Points of each run that a tool shows for one run id. */
type Shown = readonly (readonly Point[])[];

/** The daemon's environment: credentials are references in the specs. */
export const CREDENTIALS = {
  PKX_TEST_WANDB_KEY: FAKE_KEY,
  PKX_TEST_CLEARML_ACCESS: KEYS.access,
  PKX_TEST_CLEARML_SECRET: KEYS.secret,
};

const Scalars = z.object({
  scalars: z.array(z.tuple([z.string(), z.array(z.tuple([z.number(), z.number(), z.number()]))])),
});

/** Three servers and three folders. */
export class SixDestinations {
  readonly mlflow: FakeMlflow;
  readonly wandb: FakeWandb;
  readonly clearml: FakeClearml;
  readonly folder: string;
  readonly #readers: { readonly wandb: PythonReader; readonly tensorboard: PythonReader };

  private constructor(folder: string, mlflow: FakeMlflow, wandb: FakeWandb, clearml: FakeClearml) {
    this.folder = folder;
    this.mlflow = mlflow;
    this.wandb = wandb;
    this.clearml = clearml;
    this.#readers = {
      wandb: startPythonReader("test/wandb/offline_reader.py"),
      tensorboard: startPythonReader("test/tensorboard/reader.py"),
    };
  }

  /** `folder` takes the three folders; one of its own when absent. */
  static async start(folder = mkdtempSync(join(tmpdir(), "pkx-six-"))): Promise<SixDestinations> {
    for (const name of ["wandb", "tensorboard", "clearml"])
      mkdirSync(join(folder, name), { recursive: true });
    const servers = [startFakeMlflow(), startFakeWandb(), startFakeClearml()] as const;
    return new SixDestinations(folder, ...(await Promise.all(servers)));
  }

  get specs(): Readonly<Record<Scheme, string>> {
    const keys = "access_key=env:PKX_TEST_CLEARML_ACCESS&secret_key=env:PKX_TEST_CLEARML_SECRET";
    const clearmlHost = new URL(this.clearml.url).host;
    return {
      mlflow: `mlflow+http://${this.mlflow.host}/faults`,
      "wandb+http": `wandb+http://${this.wandb.host}/team/faults?key=env:PKX_TEST_WANDB_KEY`,
      "wandb+offline": `wandb+offline://${join(this.folder, "wandb")}?project=faults`,
      tensorboard: `tensorboard://${join(this.folder, "tensorboard")}`,
      "clearml+http": `clearml+http://${clearmlHost}/faults?${keys}&files=${this.clearml.url}`,
      "clearml+offline": `clearml+offline://${join(this.folder, "clearml")}?project=faults`,
    };
  }

  /** Compares each copy with 0, 1, 2, ... `counts[key]` - 1 of each key. */
  async damage(runId: string, counts: Logged["counts"]): Promise<Readonly<Record<Scheme, Copy>>> {
    const shown: Record<Scheme, Shown> = {
      mlflow: this.mlflow
        .runsOf(runId)
        .map(({ points }) => points.map(({ key, value }) => ({ key, value: Number(value) }))),
      "wandb+http": this.wandb.runsOf(runId).map((run) => pointsOfRows(shownRows(run))),
      "wandb+offline": await this.#wandbOffline(runId),
      tensorboard: await this.#tensorboard(runId),
      "clearml+http": tasksOf(this.clearml.state, runId).map((task) =>
        inStepOrder(shownRun(this.clearml.state, task).points),
      ),
      "clearml+offline": sessionsOf(join(this.folder, "clearml"), runId).map(({ shown }) =>
        inStepOrder(shown.points),
      ),
    };
    const copies = SCHEMES.map((scheme) => [scheme, copyOf(shown[scheme], counts)] as const);
    return Object.fromEntries(copies) as Record<Scheme, Copy>;
  }

  async close(): Promise<void> {
    await Promise.all([this.#readers.wandb.close(), this.#readers.tensorboard.close()]);
    await Promise.all([this.mlflow.close(), this.wandb.close(), this.clearml.close()]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #wandbOffline(runId: string): Promise<Shown> {
    const runs = join(this.folder, "wandb/wandb");
    const names = foldersIn(runs).filter((name) => name.endsWith(`-${runId}`));
    const files = names.map((name) => join(runs, name, `run-${runId}.wandb`));
    const asked = files.map(async (file) => new OfflineRecords(await this.#readers.wandb.ask({ file })));
    return (await Promise.all(asked)).map(({ history }) => pointsOfRows(history));
  }

  async #tensorboard(runId: string): Promise<Shown> {
    const runs = join(this.folder, "tensorboard");
    const folders = foldersIn(runs)
      .map((name) => join(runs, name))
      .filter((folder) => readdirSync(folder).some((name) => name.includes(runId)));
    const asked = folders.map(async (folder) =>
      Scalars.parse(await this.#readers.tensorboard.ask({ folder })),
    );
    return (await Promise.all(asked)).map(({ scalars }) =>
      scalars.flatMap(([key, events]) => events.map(([, value]) => ({ key, value }))),
    );
  }
}

function foldersIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function pointsOfRows(rows: readonly Readonly<Record<string, unknown>>[]): Point[] {
  return rows.flatMap((row) =>
    Object.entries(row)
      .filter(([key]) => !key.startsWith("_") && key !== "pipekit/step")
      .map(([key, value]) => ({ key, value: Number(value) })),
  );
}

/** ClearML shows points by their steps. */
function inStepOrder(points: readonly (Point & { readonly step: number })[]): Point[] {
  return points.toSorted((a, b) => a.step - b.step);
}

function copyOf(shown: Shown, counts: Logged["counts"]): Copy {
  const copy = { lost: 0, doubled: 0, misplaced: 0, runs: shown.length };
  for (const [key, count] of Object.entries(counts)) {
    const values = shown.flatMap((points) => points.filter((one) => one.key === key).map((one) => one.value));
    const damage = damageOf(values, count);
    copy.lost += damage.lost;
    copy.doubled += damage.doubled;
    copy.misplaced += damage.misplaced;
  }
  // A point under a key that nobody logged is one too many.
  copy.doubled += shown.flat().filter(({ key }) => counts[key] === undefined).length;
  return copy;
}
