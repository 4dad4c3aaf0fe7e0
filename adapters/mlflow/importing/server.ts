/** Runs of a tracking server, by its REST interface. */
import { setTimeout as delay } from "node:timers/promises";
import { type PastRecord, type PastRow, type RunHistory, SourceError } from "@pipekit/adapters/history";
import type { AdapterContext } from "@pipekit/adapters/tracker";
import { z } from "zod";
import { Notes } from "../../notes.ts";
import { MlflowApi } from "../api.ts";
import { Credentials } from "../credentials.ts";
import { pageOfPoints } from "../history.ts";
import type { Result } from "../results.ts";
import { endpointOf, type MlflowSpec, parseSource, parseSpec, trackingUrl } from "../spec.ts";
import { firstRecords, lastRecords, listedRun, type MlflowRun } from "./run.ts";

/** Runs and experiments in one answer. */
const PAGE = 100;
/** A call that a server cannot answer now is repeated after these, milliseconds. */
const PAUSES_MS = [500, 2000, 8000];
const Int = z.union([z.number(), z.string().transform(Number)]);
const Pairs = z
  .array(z.object({ key: z.string(), value: z.string().default("") }))
  .default([])
  .transform((pairs) => Object.fromEntries(pairs.map(({ key, value }) => [key, value])));
const Experiment = z.object({ experiment_id: z.string(), name: z.string() });
const Experiments = z.object({
  experiments: z.array(Experiment).default([]),
  next_page_token: z.string().default(""),
});
const Run = z.object({
  info: z.object({
    run_id: z.string(),
    run_name: z.string().default(""),
    status: z.string().default("RUNNING"),
    start_time: Int.default(0),
    end_time: Int.default(0),
    artifact_uri: z.string().default(""),
  }),
  data: z
    .object({ metrics: z.array(z.looseObject({ key: z.string() })).default([]), params: Pairs, tags: Pairs })
    .prefault({}),
  inputs: z.object({ dataset_inputs: z.array(z.unknown()).default([]) }).prefault({}),
});
const Runs = z.object({ runs: z.array(Run).default([]), next_page_token: z.string().default("") });
const Files = z.object({ files: z.array(z.unknown()).default([]) });

interface ServerRun extends MlflowRun {
  readonly keys: readonly string[];
  readonly artifactUri: string;
  readonly datasets: number;
}

/** Opens `mlflow+http://HOST[:PORT][/EXPERIMENT][?QUERY]`; without an experiment, all of them. Throws SpecError. */
export function openServer(source: string, context: AdapterContext): RunHistory<ServerRun> {
  const spec = parseSource(source);
  return new ServerHistory(spec, new MlflowApi(trackingUrl(spec), new Credentials(spec, context)));
}

class ServerHistory implements RunHistory<ServerRun> {
  readonly #spec: MlflowSpec;
  readonly #api: MlflowApi;
  readonly #notes = new Notes();

  constructor(spec: MlflowSpec, api: MlflowApi) {
    this.#spec = spec;
    this.#api = api;
  }

  async *list(signal: AbortSignal): AsyncGenerator<ServerRun> {
    for await (const experiment of this.#experiments(signal)) {
      const ask = {
        experiment_ids: [experiment.experiment_id],
        max_results: PAGE,
        order_by: ["attributes.start_time ASC"],
      };
      for await (const { runs } of this.#pages("runs/search", ask, Runs, signal)) {
        for (const run of runs) yield this.#listed(run, experiment);
      }
    }
  }

  async *read(run: ServerRun, signal: AbortSignal): AsyncGenerator<PastRecord> {
    yield* firstRecords(run.stored);
    for (const key of run.keys) yield* this.#points(run.id, key, signal);
    if (run.datasets > 0)
      this.#notes.add(`${run.datasets} data set inputs of run ${run.id} are not carried.`);
    const found = await this.#ask(
      () => this.#api.get("artifacts/list", { run_id: run.id }, Files, signal),
      signal,
    );
    // The files stay at the server; where they are is known here then.
    if (found.files.length > 0) yield { kind: "uri", name: "mlflow-artifacts", uri: run.artifactUri };
    yield* lastRecords(run.stored);
  }

  isFedBy(spec: string): boolean {
    try {
      return trackingUrl(parseSpec(spec)) === trackingUrl(this.#spec);
    } catch {
      return false;
    }
  }

  takeNotes(): readonly string[] {
    return this.#notes.take();
  }

  async close(): Promise<void> {}

  #listed({ info, data, inputs }: z.infer<typeof Run>, experiment: z.infer<typeof Experiment>): ServerRun {
    const { run_id, run_name, status, start_time, end_time, artifact_uri } = info;
    const stored = {
      uuid: run_id,
      name: run_name,
      experiment: experiment.name,
      status,
      startMs: start_time,
      endMs: end_time,
      params: data.params,
      tags: data.tags,
    };
    const place = `${this.#api.url}/#/experiments/${experiment.experiment_id}/runs/${run_id}`;
    const metrics = data.metrics.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    return {
      ...listedRun(stored, place, JSON.stringify(metrics)),
      keys: metrics.map(({ key }) => key),
      artifactUri: artifact_uri,
      datasets: inputs.dataset_inputs.length,
    };
  }

  async *#experiments(signal: AbortSignal): AsyncGenerator<z.infer<typeof Experiment>> {
    let found = false;
    for await (const { experiments } of this.#pages(
      "experiments/search",
      { max_results: PAGE },
      Experiments,
      signal,
    )) {
      for (const experiment of experiments) {
        if (this.#spec.experiment !== "" && experiment.name !== this.#spec.experiment) continue;
        found = true;
        yield experiment;
      }
    }
    if (!found && this.#spec.experiment !== "") {
      throw new SourceError(
        `The MLflow server ${endpointOf(this.#spec)} has no experiment \`${this.#spec.experiment}\`.`,
        "Name one of its experiments, or leave the name out for all of them.",
      );
    }
  }

  async *#points(runId: string, key: string, signal: AbortSignal): AsyncGenerator<PastRecord> {
    const keys = [key];
    let token = "";
    do {
      const page = await this.#ask(() => pageOfPoints(this.#api, runId, key, token, signal), signal);
      const rows = page.metrics.map(
        ({ value, timestamp, step }): PastRow => ({ keys, step, timeUs: timestamp * 1000, values: [value] }),
      );
      yield { kind: "rows", rows };
      token = page.next_page_token;
    } while (token !== "");
  }

  async *#pages<T extends { readonly next_page_token: string }>(
    path: string,
    body: object,
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): AsyncGenerator<T> {
    let token = "";
    do {
      const asked = token === "" ? body : { ...body, page_token: token };
      const page = await this.#ask(() => this.#api.post(path, asked, schema, signal), signal);
      yield page;
      token = page.next_page_token;
    } while (token !== "");
  }

  async #ask<T>(call: () => Promise<Result<T>>, signal: AbortSignal): Promise<T> {
    for (let tried = 0; ; tried++) {
      const result = await call();
      signal.throwIfAborted();
      if (result.ok) return result.value;
      const pause = PAUSES_MS[tried];
      const { kind, status, reason } = result.fault;
      // Without an answer, or with one for which a person has to act, waiting mends nothing now.
      const passes = kind === "transient" && status !== undefined && (status === 429 || status >= 500);
      if (pause === undefined || !passes) {
        throw new SourceError(reason, "Check the address, and that the server runs and lets the daemon in.");
      }
      await delay(Math.max(pause, Math.min(result.fault.afterMs ?? 0, 30_000)), undefined, { signal });
    }
  }
}
