/** What the ClearML tests share. */

import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { AdapterContext, SinkRun } from "@pipekit/adapters/tracker";
import type { ShownRun } from "../contract/tracker-harness.ts";
import { type FakeClearml, type FakeTask, KEYS } from "../support/fake-clearml.ts";
import type { FakeClearmlState } from "../support/fake-clearml-state.ts";
import { toolPath } from "../support/tools.ts";

export { file, point } from "../support/sink-records.ts";

export const NEVER = new AbortController().signal;

export const CONTEXT: AdapterContext = {
  env: { CLEARML_API_ACCESS_KEY: KEYS.access, CLEARML_API_SECRET_KEY: KEYS.secret },
  home: "/nonexistent",
  log: () => {},
};

let runs = 0;

export function newRun(more: Partial<SinkRun> = {}): SinkRun {
  return {
    runId: `01CLEARMLTEST${process.pid}${(runs++).toString().padStart(5, "0")}`,
    name: "a run",
    pipelineHash: "ab".repeat(32),
    configJson: "{}",
    startedAtUs: 1_760_000_000_123_456,
    host: "host-a",
    client: "python/0.1.0",
    tags: {},
    ...more,
  };
}

/** Tasks that the server has for our run id. */
export function tasksOf(state: FakeClearmlState, runId: string): FakeTask[] {
  return state.tasks.filter(
    ({ hyperparams }) => hyperparams["properties"]?.["pipekit_run_id"]?.value === runId,
  );
}

const STATES: Readonly<Record<string, ShownRun["state"]>> = {
  in_progress: "running",
  completed: "completed",
  failed: "failed",
  stopped: "killed",
};

/** A task as the contract suite looks at it. */
export function shownRun(state: FakeClearmlState, task: FakeTask): ShownRun {
  const values = (section: string) =>
    Object.values(task.hyperparams[section] ?? {})
      .filter(({ name }) => !name.startsWith("pipekit_"))
      .map(({ name, value }) => [name, value] as const);
  return {
    points: state.scalars(task.id).map(({ metric, variant, iter = 0, value, timestamp }) => ({
      key: keyOf(metric, variant),
      step: iter,
      value: value ?? Number.NaN,
      timeMs: timestamp,
    })),
    params: Object.fromEntries(values("General")),
    tags: Object.fromEntries(values("properties")),
    state: STATES[task.status] ?? "running",
  };
}

/** Points of a task in the order in which they came, repeats and all. */
export function arrivedPoints(state: FakeClearmlState, task: FakeTask | undefined) {
  return state.arrivals
    .filter((event) => event.task === task?.id)
    .map(({ metric, variant, iter = 0, value }) => ({
      key: keyOf(metric, variant),
      step: iter,
      value: value ?? Number.NaN,
    }));
}

/** Title and series as one key. */
export function keyOf(title: string, series: string): string {
  return title === series ? title : `${title}/${series}`;
}

/** Artifacts by key: their text where the files server has them, else their URI. */
export function shownArtifacts(
  state: FakeClearmlState,
  task: FakeTask,
  filesUrl: string,
): Record<string, string> {
  return Object.fromEntries(
    task.execution.artifacts.map(({ key, uri }) => {
      const path = uri.startsWith(`${filesUrl}/`) ? decodeURIComponent(uri.slice(filesUrl.length + 1)) : "";
      return [key, state.files.get(path)?.toString("utf8") ?? uri];
    }),
  );
}

/** Runs a script of this folder with the real ClearML client; gives the JSON of its last line. */
export async function realClient(
  server: FakeClearml,
  home: string,
  script: "online.py" | "import_session.py",
  ...args: readonly string[]
): Promise<unknown> {
  // A process of its own for its reports would hold our pipe for minutes.
  writeFileSync(join(home, "clearml.conf"), "sdk { development { report_use_subprocess: false } }\n");
  const env = {
    PATH: process.env["PATH"],
    HOME: home,
    CLEARML_API_HOST: server.url,
    CLEARML_WEB_HOST: server.url,
    CLEARML_FILES_HOST: server.url,
    CLEARML_API_ACCESS_KEY: KEYS.access,
    CLEARML_API_SECRET_KEY: KEYS.secret,
    CLEARML_CACHE_DIR: join(home, "cache"),
    // As on a cluster's bare node: files are read and written in ASCII then.
    LC_ALL: "C",
    PYTHONUTF8: "0",
    PYTHONCOERCECLOCALE: "0",
  };
  const python = toolPath("python");
  const path = join(import.meta.dirname, script);
  const { stdout } = await promisify(execFile)(python, [path, ...args], { env, cwd: home, timeout: 60_000 });
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}
