import { z } from "zod";

const Experiment = z.object({ experiment: z.object({ experiment_id: z.string() }) });
const Runs = z.object({
  runs: z.array(
    z.object({
      info: z.object({ run_id: z.string(), status: z.string() }),
      data: z.object({
        metrics: z.array(z.object({ key: z.string() })).default([]),
        params: z.array(z.object({ key: z.string(), value: z.string() })).default([]),
        tags: z.array(z.object({ key: z.string(), value: z.string() })).default([]),
      }),
    }),
  ),
});
const History = z.object({ metrics: z.array(z.object({ step: z.number() })).default([]) });

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
  const found = Experiment.parse(
    await ask(
      `${url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=${encodeURIComponent(experiment)}`,
    ),
  );
  const { runs } = Runs.parse(
    await ask(`${url}/api/2.0/mlflow/runs/search`, {
      experiment_ids: [found.experiment.experiment_id],
      filter: `tags.\`pipekit.run_id\` = '${runId}'`,
    }),
  );
  const [run] = runs;
  if (run === undefined || runs.length !== 1)
    throw new Error(`MLflow shows ${runs.length} runs for ${runId}.`);
  const points = new Map<string, number>();
  for (const { key } of run.data.metrics) points.set(key, await countPoints(url, run.info.run_id, key));
  return { runId: run.info.run_id, status: run.info.status, params: run.data.params.length, points };
}

async function countPoints(url: string, runId: string, key: string): Promise<number> {
  const query = new URLSearchParams({ run_id: runId, metric_key: key, max_results: "25000" });
  return History.parse(await ask(`${url}/api/2.0/mlflow/metrics/get-history?${query}`)).metrics.length;
}

async function ask(url: string, body?: object): Promise<unknown> {
  const init = body && {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  };
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}
