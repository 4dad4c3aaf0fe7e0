/** Delivery to MLflow against a bare loop of log-batch requests on the same server, in turn. */
import { connect } from "@pipekit/experiment";
import { z } from "zod";
import { type Figure, median } from "./report.ts";

const ROUNDS = 6;
const BATCHES = 20;
const BATCH = 1000;
const LIMIT_MS = 300_000;

const Created = z.object({ run: z.object({ info: z.object({ run_id: z.string() }) }) });
const Experiment = z.object({ experiment_id: z.string() });

async function post(url: string, path: string, body: object): Promise<unknown> {
  const response = await fetch(`${url}/api/2.0/mlflow/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

/** Seconds that the fastest plain client takes: one log-batch of 1000 points after another. */
async function rawLoop(url: string, experimentId: string): Promise<number> {
  const start = performance.now();
  const created = Created.parse(
    await post(url, "runs/create", { experiment_id: experimentId, start_time: Date.now() }),
  );
  for (let b = 0; b < BATCHES; b++) {
    const metrics = Array.from({ length: BATCH }, (_, i) => ({
      key: `metric/${i % 10}`,
      value: 0.5 + i,
      step: b * (BATCH / 10) + Math.floor(i / 10),
      timestamp: Date.now(),
    }));
    await post(url, "runs/log-batch", { run_id: created.run.info.run_id, metrics });
  }
  await post(url, "runs/update", {
    run_id: created.run.info.run_id,
    status: "FINISHED",
    end_time: Date.now(),
  });
  return (performance.now() - start) / 1000;
}

/** Seconds from the start of a run to the moment at which its sink has taken the last of as many points. */
async function ours(env: NodeJS.ProcessEnv, spec: string): Promise<number> {
  const client = await connect({ env });
  try {
    const start = performance.now();
    const run = await client.startRun({ name: "bench-delivery", sinks: [spec] });
    for (let step = 0; step < (BATCHES * BATCH) / 10; step++) {
      run.log(Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`metric/${i}`, 0.5 + i])), step);
    }
    await run.end();
    const signal = AbortSignal.timeout(LIMIT_MS);
    for await (const seen of client.watchRuns([run.runId], { signal })) {
      if (seen.sinks.every((sink) => sink.pointsSent === BATCHES * BATCH)) break;
    }
    return (performance.now() - start) / 1000;
  } finally {
    client.close();
  }
}

/** Points a second of both, in alternating rounds on one server. */
export async function delivery(env: NodeJS.ProcessEnv, url: string, host: string): Promise<Figure[]> {
  const { experiment_id } = Experiment.parse(
    await post(url, "experiments/create", { name: "bench-delivery-raw" }),
  );
  const times = { raw: [] as number[], ours: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    // Each goes first as often as the other: the server's database grows, and with it the time of a request.
    const turns = [
      async () => times.raw.push(await rawLoop(url, experiment_id)),
      async () => times.ours.push(await ours(env, `mlflow+http://${host}/bench-delivery`)),
    ];
    for (const turn of round % 2 === 0 ? turns : turns.toReversed()) await turn();
  }
  const points = BATCHES * BATCH;
  const [raw, mine] = [points / median(times.raw), points / median(times.ours)];
  return [
    {
      name: `delivery to MLflow, ${points} points, points/s`,
      ours: `${Math.round(mine)}/s`,
      peer: `raw log-batch loop ${Math.round(raw)}/s`,
      ratio: `${((100 * mine) / raw).toFixed(0)} %`,
      goal: ">= 95 % of raw",
      met: mine >= 0.95 * raw,
    },
  ];
}
