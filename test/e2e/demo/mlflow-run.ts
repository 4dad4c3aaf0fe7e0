import { historyOf, runsOf } from "../../support/mlflow-client.ts";

/** A run as an MLflow server shows it, asked over its own REST API and not through our adapter. */
export interface MlflowRun {
  readonly runId: string;
  readonly status: string;
  readonly params: number;
  /** Metric key to number of points. */
  readonly points: ReadonlyMap<string, number>;
}

/** Finds the run that carries our run id. Throws unless there is exactly one. */
export async function findMlflowRun(url: string, experiment: string, runId: string): Promise<MlflowRun> {
  const runs = await runsOf(url, experiment, runId);
  const [run] = runs;
  if (run === undefined || runs.length !== 1)
    throw new Error(`MLflow shows ${runs.length} runs for ${runId}.`);
  const { info, data } = run;
  const points = new Map<string, number>();
  for (const { key } of data.metrics ?? []) points.set(key, (await historyOf(url, info.run_id, key)).length);
  return { runId: info.run_id, status: info.status, params: data.params?.length ?? 0, points };
}
