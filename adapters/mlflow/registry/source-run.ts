/** Finds the MLflow run that our tracker has made of one of our runs. */

import { z } from "zod";
import type { Server } from "./server.ts";

/** The tag that the tracker puts there. */
const RUN_ID_TAG = "pipekit.run_id";
const PAGE = 1000;

const Experiments = z.object({
  experiments: z.array(z.object({ experiment_id: z.string() })).default([]),
  next_page_token: z.string().default(""),
});
const Runs = z.object({
  runs: z.array(z.object({ info: z.object({ run_id: z.string() }) })).default([]),
});

/** MLflow's id of the run with our id `runId`; undefined when this server has none. MLflow searches by experiment. */
export async function findSourceRun(
  server: Server,
  runId: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!/^[\w.-]{1,250}$/.test(runId)) return undefined;
  const filter = `tags.\`${RUN_ID_TAG}\` = '${runId}'`;
  for (let token = ""; ; ) {
    const page = token === "" ? {} : { page_token: token };
    const body = { max_results: PAGE, view_type: "ACTIVE_ONLY", ...page };
    const { experiments, next_page_token } = await server.post(
      "experiments/search",
      body,
      Experiments,
      signal,
    );
    const search = { experiment_ids: experiments.map((each) => each.experiment_id), filter, max_results: 1 };
    const found =
      experiments.length === 0 ? undefined : await server.post("runs/search", search, Runs, signal);
    const run = found?.runs[0];
    if (run !== undefined) return run.info.run_id;
    if (next_page_token === "") return undefined;
    token = next_page_token;
  }
}
