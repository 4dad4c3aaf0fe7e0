/**
 * `npm run demo`: the whole path once, for real. Starts an MLflow server, trains with Lightning through our logger,
 * stores, tags, promotes, loads elsewhere, resolves from TypeScript, and shows what happened. Everything it makes lies
 * in .demo/ (or $PKX_DEMO_HOME), which is emptied at the start. Exits 1 when anything is not as promised.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { styleText } from "node:util";
import { connect } from "@pipekit/experiment";
import { z } from "zod";
import { startMlflowServer } from "../../support/mlflow-server.ts";
import { readFolder, type Shown, syncedOffline } from "../destinations.ts";
import { findMlflowRun } from "./mlflow-run.ts";
import { lastJson, node, pipekitEnv, python, ROOT } from "./processes.ts";

const HOME = process.env["PKX_DEMO_HOME"] ?? join(ROOT, ".demo");
const HERE = import.meta.dirname;
const PKX = join(ROOT, "daemon/main.ts");
const EXPERIMENT = "digits";
const DELIVERY_LIMIT_MS = 60_000;

const Trained = z.object({
  run_id: z.string(),
  hash: z.string(),
  accuracy: z.number(),
  imported_trackers: z.array(z.string()),
});
const Served = z.object({ hash: z.string(), accuracy: z.number() });
const Resolved = z.object({ hash: z.string() });

function heading(text: string): void {
  console.log(`\n${styleText("bold", text)}`);
}

/** Throws unless a promise of the demo holds; says so when it does. */
function confirm(holds: boolean, text: string): void {
  if (!holds) throw new Error(`The demo failed: not true that ${text}.`);
  console.log(`  ${styleText("green", "ok")} ${text}`);
}

/** Waits until every sink has taken the whole run; returns the run. */
async function delivered(env: NodeJS.ProcessEnv, runId: string) {
  const client = await connect({ env });
  try {
    const signal = AbortSignal.timeout(DELIVERY_LIMIT_MS);
    for await (const run of client.watchRuns([runId], { signal })) {
      if (run.endedAtUs > 0 && run.sinks.every((sink) => sink.pointsShown >= 0)) return run;
    }
    throw new Error("The daemon ended the stream of the run.");
  } finally {
    client.close();
  }
}

function pointsOf(shown: Shown): ReadonlyMap<string, number> {
  return new Map(Object.entries(shown).map(([key, points]) => [key, points.length]));
}

/** Points of one of our keys; ClearML has a title and a series where we have one name. */
function countOf(byKey: ReadonlyMap<string, number>, key: string): number {
  return byKey.get(key) ?? byKey.get(`${key}/${key}`) ?? 0;
}

async function demo(): Promise<void> {
  rmSync(HOME, { recursive: true, force: true });
  mkdirSync(join(HOME, "mlflow"), { recursive: true });
  const env = pipekitEnv(HOME);
  heading("1  A real MLflow server");
  const mlflow = await startMlflowServer({ folder: join(HOME, "mlflow") });
  console.log(`  ${mlflow.url}`);
  try {
    heading(
      "2  Training: scikit-learn's digits, PyTorch Lightning, our logger (the daemon starts by itself)",
    );
    const sinks = [
      `mlflow+http://${mlflow.host}/${EXPERIMENT}`,
      `wandb+offline://${HOME}?project=${EXPERIMENT}`,
      `tensorboard://${join(HOME, "events")}`,
      `clearml+offline://${join(HOME, "clearml")}?project=${EXPERIMENT}`,
    ];
    const trained = Trained.parse(lastJson(await python(join(HERE, "train.py"), sinks, env)));
    confirm(trained.imported_trackers.length === 0, "the training process imported no tracker");

    heading("3  Delivery to four trackers at once, counted on both sides by the tools' own readers");
    const run = await delivered(env, trained.run_id);
    const shown = await findMlflowRun(mlflow.url, EXPERIMENT, trained.run_id);
    console.log(`  MLflow run ${shown.runId}, ${shown.status}, ${shown.params} params`);
    const counts = {
      MLflow: shown.points,
      "W&B": pointsOf(await syncedOffline(HOME, trained.run_id)),
      TensorBoard: pointsOf(await readFolder("tensorboard", join(HOME, "events"))),
      ClearML: pointsOf(await readFolder("clearml", join(HOME, "clearml"))),
    };
    for (const { key, points } of run.series) {
      const cells = Object.entries(counts).map(([tool, byKey]) => `${tool} ${countOf(byKey, key)}`);
      console.log(`  ${key.padEnd(16)} journaled ${String(points).padStart(5)}   ${cells.join("   ")}`);
    }
    for (const [tool, byKey] of Object.entries(counts)) {
      const same = run.series.every(({ key, points }) => countOf(byKey, key) === points);
      confirm(same && run.series.length > 0, `${tool} shows all ${run.points} points that were journaled`);
    }
    confirm(shown.status === "FINISHED", "MLflow shows the run as finished");

    heading("4  The run");
    console.log(
      await node(
        PKX,
        ["runs", "show", trained.run_id, "--metric", "train/loss", "--metric", "val/accuracy"],
        env,
      ),
    );

    heading("5  The model in other processes");
    const served = Served.parse(lastJson(await python(join(HERE, "serve.py"), [], env)));
    const resolved = Resolved.parse(lastJson(await node(join(HERE, "resolve.ts"), [], env)));
    console.log(`  hash ${trained.hash}`);
    confirm(served.hash === trained.hash, "`production` is that model for a second Python process");
    confirm(
      Math.abs(served.accuracy - trained.accuracy) < 1e-6,
      `loaded there it is right on ${(served.accuracy * 100).toFixed(1)} % of the test set, as when trained`,
    );
    confirm(resolved.hash === trained.hash, "`production` is that model for a TypeScript process");

    heading("6  The tag's history");
    console.log(await node(PKX, ["history", "production"], env));
  } finally {
    await node(PKX, ["stop"], env).catch((error: unknown) => console.error(error));
    await mlflow.stop();
  }
  console.log(
    styleText("bold", "\nDone. The run, the model and the daemon's log are in .demo/; next: README.md."),
  );
}

try {
  await demo();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
