/** Finds or makes the MLflow run of one of our runs, so that repeating it never makes a second one. */

import type { AdapterMemo, SinkRun } from "@pipekit/adapters/tracker";
import { z } from "zod";
import type { MlflowApi, Result } from "./api.ts";
import type { Fault } from "./faults.ts";
import { deletedRun } from "./log-batch.ts";
import type { Names } from "./names.ts";
import { VALUE_LIMITS } from "./requests.ts";
import { cut, storable } from "./text.ts";

/** A run at MLflow. Kept as the adapter's memo. */
export interface RemoteRun {
  readonly experimentId: string;
  readonly mlflowRunId: string;
  readonly artifactUri: string;
}

const RUN_ID_TAG = "pipekit.run_id";
const LONGEST_RUN_NAME = 250;

const Memo = z.object({ experimentId: z.string(), mlflowRunId: z.string(), artifactUri: z.string() });
const Experiment = z.object({
  experiment: z.object({ experiment_id: z.string(), lifecycle_stage: z.string().default("active") }),
});
const Created = z.object({ experiment_id: z.string() });
const Info = z.object({
  run_id: z.string(),
  artifact_uri: z.string().default(""),
  lifecycle_stage: z.string().default("active"),
});
const Run = z.object({ run: z.object({ info: Info }) });
const Found = z.object({ runs: z.array(z.object({ info: Info })).default([]) });

/** What an earlier open has left; undefined when it cannot be read. */
export function readMemo(memo: AdapterMemo | undefined): RemoteRun | undefined {
  return Memo.safeParse(memo).data;
}

/** Looks for the run by its tag before it makes one: an earlier create may have been carried out unheard. */
export async function findOrCreateRun(
  api: MlflowApi,
  experiment: string,
  run: SinkRun,
  names: Names,
  user: string | undefined,
  signal: AbortSignal,
): Promise<Result<RemoteRun>> {
  const id = await experimentId(api, experiment, signal);
  if (!id.ok) return id;
  const found = await findRun(api, id.value, run.runId, signal);
  if (!found.ok) return found;
  if (found.value !== undefined) return remote(id.value, found.value);
  const created = await api.post("runs/create", createBody(id.value, run, names, user), Run, signal);
  return created.ok ? remote(id.value, created.value.run.info) : created;
}

function remote(id: string, info: z.infer<typeof Info>): Result<RemoteRun> {
  return {
    ok: true,
    value: { experimentId: id, mlflowRunId: info.run_id, artifactUri: info.artifact_uri },
  };
}

async function experimentId(api: MlflowApi, name: string, signal: AbortSignal): Promise<Result<string>> {
  const first = await getExperiment(api, name, signal);
  if (first.ok || first.fault.kind !== "missing") return first;
  const created = await api.post("experiments/create", { name }, Created, signal);
  if (created.ok) return { ok: true, value: created.value.experiment_id };
  // Somebody else was faster.
  if (created.fault.code === "RESOURCE_ALREADY_EXISTS") return await getExperiment(api, name, signal);
  return created;
}

async function getExperiment(api: MlflowApi, name: string, signal: AbortSignal): Promise<Result<string>> {
  const query = { experiment_name: name };
  const result = await api.get("experiments/get-by-name", query, Experiment, signal);
  if (!result.ok) return result;
  const { experiment_id: id, lifecycle_stage: stage } = result.value.experiment;
  if (stage === "active") return { ok: true, value: id };
  return refused(
    `The MLflow experiment \`${name}\` is deleted; restore it with ` +
      `\`mlflow experiments restore --experiment-id ${id}\` or name another one in the tracker spec.`,
  );
}

async function findRun(
  api: MlflowApi,
  experimentId: string,
  runId: string,
  signal: AbortSignal,
): Promise<Result<z.infer<typeof Info> | undefined>> {
  const body = {
    experiment_ids: [experimentId],
    filter: `tags.\`${RUN_ID_TAG}\` = '${runId.replaceAll("'", "")}'`,
    run_view_type: "ALL",
    max_results: 10,
  };
  const result = await api.post("runs/search", body, Found, signal);
  if (!result.ok) return result;
  const infos = result.value.runs.map((found) => found.info);
  const active = infos.find((info) => info.lifecycle_stage === "active");
  const deleted = infos[0];
  if (active === undefined && deleted !== undefined) return refused(deletedRun(deleted.run_id));
  return { ok: true, value: active };
}

function createBody(experimentId: string, run: SinkRun, names: Names, user: string | undefined): unknown {
  const tags = new Map<string, string>();
  const set = (key: string, value: string) => {
    if (value !== "") tags.set(key, cut(storable(value), VALUE_LIMITS.tags.before));
  };
  if (user !== undefined) set("mlflow.user", user);
  set("mlflow.source.name", run.client);
  set("mlflow.source.type", "LOCAL");
  for (const [key, value] of Object.entries(run.tags)) {
    const name = names.of(key);
    if (name.tag !== undefined) set(name.tag.key, name.tag.value);
    set(name.mapped, value);
  }
  const runName = [...storable(run.name)].slice(0, LONGEST_RUN_NAME).join("");
  set("mlflow.runName", runName);
  set("pipekit.host", run.host);
  set("pipekit.pipeline_hash", run.pipelineHash);
  set(RUN_ID_TAG, run.runId);
  return {
    experiment_id: experimentId,
    start_time: Math.floor(run.startedAtUs / 1000),
    ...(runName === "" ? {} : { run_name: runName }),
    ...(user === undefined ? {} : { user_id: user }),
    tags: Array.from(tags, ([key, value]) => ({ key, value })),
  };
}

function refused(reason: string): { readonly ok: false; readonly fault: Fault } {
  return { ok: false, fault: { kind: "refused", reason } };
}
