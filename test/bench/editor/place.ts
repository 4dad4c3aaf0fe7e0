/** A daemon with many runs and models, as users run it: from the bundle. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@pipekit/experiment";
import { pipekitEnv, ROOT } from "../../e2e/demo/processes.ts";
import { writeModels } from "../many-models.ts";

export const PKX = join(ROOT, "daemon/dist/pkx.mjs");
export const RUNS = 10_000;
export const MODELS = 1000;
export const LONG_POINTS = 100_000;
/** Begins the name of a thousand of the runs. */
export const THOUSAND = "thousand";
const TAGS = 50;
const STARTED_AT_ONCE = 64;

export interface EditorPlace extends AsyncDisposable {
  readonly env: NodeJS.ProcessEnv;
  /** Ids of runs. */
  readonly runs: readonly string[];
  /** Of models, by hash. */
  readonly models: readonly string[];
  /** Run with one metric of 100,000 points. */
  readonly longRun: string;
}

/** Starts the daemon below `home` and fills it. */
export async function editorPlace(home: string, runs = RUNS): Promise<EditorPlace> {
  const env = pipekitEnv(home);
  mkdirSync(join(home, "state"), { recursive: true, mode: 0o700 });
  const models = writeModels(join(home, "state/models"), MODELS);
  const daemon = spawn(process.execPath, [PKX, "serve"], { env, stdio: ["ignore", "pipe", "inherit"] });
  await once(daemon.stdout, "data");
  const client = await connect({ env });
  const ids: string[] = [];
  const fill = async () => {
    for (let number = ids.push("") - 1; number < runs; number = ids.push("") - 1) {
      const run = await client.startRun({ name: `${number < 1000 ? THOUSAND : "bench"}-${number % 100}` });
      run.log({ loss: 1 / (number + 1) }, 0);
      await run.end("completed");
      ids[number] = run.runId;
    }
  };
  await Promise.all(Array.from({ length: STARTED_AT_ONCE }, fill));
  const long = await client.startRun({ name: "bench-long" });
  for (let step = 0; step < LONG_POINTS; step++)
    long.log({ loss: Math.sin(step / 500) + step / 50_000 }, step);
  await long.end("completed", { timeoutMs: 120_000 });
  const registry = client.registry();
  for (let number = 0; number < TAGS; number++) {
    await registry.tag(models[number] ?? "", number === 0 ? "production" : `tag-${number}`);
  }
  client.close();
  return {
    env,
    runs: ids.slice(0, runs),
    models,
    longRun: long.runId,
    [Symbol.asyncDispose]: async () => {
      const gone = once(daemon, "exit");
      daemon.kill("SIGTERM");
      await gone;
    },
  };
}
