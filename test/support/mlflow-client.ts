/** Reads an MLflow server by its REST interface, without the adapter. */

import type { ShownRun } from "../contract/tracker-contract.ts";

const STATES = { RUNNING: "running", FINISHED: "completed", FAILED: "failed", KILLED: "killed" } as const;

type Pair = { key: string; value: string };
type Point = { key: string; value: number | string; step: number; timestamp: number };
type RunJson = {
  info: { run_id: string; status: keyof typeof STATES; end_time?: number; artifact_uri: string };
  data: { metrics?: Point[]; params?: Pair[]; tags?: Pair[] };
};

/** Carries out a call below `/api/2.0/mlflow/`; throws when it is refused. */
export async function mlflowCall<T>(url: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${url}/api/2.0/mlflow/${path}`, {
    method: body === undefined ? "GET" : "POST",
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return JSON.parse(text) as T;
}

export async function experimentId(url: string, name: string): Promise<string> {
  const path = `experiments/get-by-name?${new URLSearchParams({ experiment_name: name })}`;
  const got = await mlflowCall<{ experiment: { experiment_id: string } }>(url, path);
  return got.experiment.experiment_id;
}

/** All runs of an experiment with our run id. */
export async function runsOf(url: string, experiment: string, runId: string): Promise<RunJson[]> {
  const found = await mlflowCall<{ runs?: RunJson[] }>(url, "runs/search", {
    experiment_ids: [await experimentId(url, experiment)],
    filter: `tags.\`pipekit.run_id\` = '${runId}'`,
    run_view_type: "ALL",
  });
  return found.runs ?? [];
}

/** The points of a key, as MLflow keeps them. */
export async function historyOf(url: string, mlflowRunId: string, key: string): Promise<Point[]> {
  const query = new URLSearchParams({ run_id: mlflowRunId, metric_key: key });
  const history = await mlflowCall<{ metrics?: Point[] }>(url, `metrics/get-history?${query}`);
  return history.metrics ?? [];
}

/** A run in the words of the contract suite. */
export async function shownRun(url: string, run: RunJson): Promise<ShownRun> {
  const keys = (run.data.metrics ?? []).map((metric) => metric.key);
  const histories = await Promise.all(keys.map((key) => historyOf(url, run.info.run_id, key)));
  const pairs = (list: Pair[] = []) => Object.fromEntries(list.map(({ key, value }) => [key, value]));
  return {
    points: histories.flat().map(({ key, step, value, timestamp }) => ({
      key,
      step,
      value: Number(value),
      timeMs: timestamp,
    })),
    params: pairs(run.data.params),
    tags: pairs(run.data.tags),
    state: STATES[run.info.status],
  };
}
