/**
 * Where a registry's files lie in MLflow, found or made once.
 *
 * MLflow takes as the source of a version only what lies in the artifacts of a run or of a logged model, and files of
 * ours belong to the registry, not to a run that somebody may delete. So one logged model in the experiment
 * `pipekit-models` holds the files of all versions: the anchor. Servers older than logged models (before 3.0) take any
 * source; there the files lie below `mlflow-artifacts:/pipekit-models/<name>`. The registered model's tags
 * `pipekit.root` and `pipekit.anchor` say which it is.
 */

import { BackendRefused } from "@pipekit/adapters/registry";
import { z } from "zod";
import { artifactPath } from "../keys.ts";
import { unproxied } from "./failures.ts";
import { findModel } from "./registered-model.ts";
import { refuseOldRelease } from "./release.ts";
import type { Server } from "./server.ts";

export interface Home {
  /** Such as `mlflow-artifacts:/1/models/m-1f/artifacts`. */
  readonly root: string;
  /** Id of the logged model; undefined on a server that has none. */
  readonly anchor: string | undefined;
}

export const EXPERIMENT = "pipekit-models";
const ROOT_TAG = "pipekit.root";
const ANCHOR_TAG = "pipekit.anchor";
const NAME_TAG = "pipekit.registry";

const Empty = z.looseObject({});
const LoggedModel = z.object({
  info: z.object({
    model_id: z.string(),
    artifact_uri: z.string(),
    creation_timestamp_ms: z.coerce.number().default(0),
  }),
});
const Found = z.object({ models: z.array(LoggedModel).default([]) });
const Experiment = z.object({
  experiment: z.object({ experiment_id: z.string(), lifecycle_stage: z.string().default("active") }),
});
const Names = z.object({ registered_models: z.array(z.object({ name: z.string() })).default([]) });

/** Finds the home of a registry, or makes it and the registered model. Throws BackendUnavailable, BackendRefused. */
export async function findHome(server: Server, name: string, signal: AbortSignal): Promise<Home> {
  const known = homeIn((await findModel(server, name, signal))?.tags);
  if (known !== undefined) return known;
  await refuseOldRelease(server.api, signal);
  const home = (await anchorOf(server, name, signal)) ?? {
    root: `mlflow-artifacts:/${EXPERIMENT}/${artifactPath(name)}`,
    anchor: undefined,
  };
  if (URL.parse(home.root)?.protocol !== "mlflow-artifacts:") throw unproxied(home.root);
  await refuseRenamed(server, name, home, signal);
  return await settle(server, name, home, signal);
}

/** Whether MLflow still has the anchor. */
export async function hasAnchor(server: Server, anchor: string, signal: AbortSignal): Promise<boolean> {
  const get = () => server.api.get(`logged-models/${anchor}`, {}, Empty, signal);
  return (await server.find(get, signal)) !== undefined;
}

function homeIn(tags: ReadonlyMap<string, string> | undefined): Home | undefined {
  const root = tags?.get(ROOT_TAG);
  return root === undefined ? undefined : { root, anchor: tags?.get(ANCHOR_TAG) };
}

/** The oldest logged model that carries the registry's name; undefined on a server without logged models. */
async function anchorOf(server: Server, name: string, signal: AbortSignal): Promise<Home | undefined> {
  const experiment = await experimentId(server, signal);
  const filter = `tags.\`${NAME_TAG}\` = '${name}'`;
  const search = { experiment_ids: [experiment], filter, max_results: 50 };
  const look = () => server.api.post("logged-models/search", search, Found, signal);
  const first = await server.attempt(look, signal);
  // This server answers any path that it does not know with 404.
  if (!first.ok && first.fault.status === 404) return undefined;
  const found = await server.insist(async () => first, signal);
  const oldest = oldestOf(found.models);
  if (oldest !== undefined) return oldest;
  const tags = [
    { key: NAME_TAG, value: name },
    {
      key: "mlflow.note.content",
      value: `Holds the files of the registered model ${name}. Deleting it deletes all of its versions' files.`,
    },
  ];
  const body = {
    experiment_id: experiment,
    name: `pipekit-${name.replaceAll(/[^\w-]/g, "_")}`,
    model_type: "pipekit",
    tags,
  };
  // Not repeated: when the answer is lost, the search finds what was made.
  const made = await server.api.post("logged-models", body, z.object({ model: LoggedModel }), signal);
  const all = oldestOf((await server.insist(look, signal)).models);
  const home = all ?? (made.ok ? oldestOf([made.value.model]) : undefined);
  if (home === undefined) await server.insist(async () => made, signal);
  if (home?.anchor !== undefined) {
    const ready = { model_id: home.anchor, status: "LOGGED_MODEL_READY" };
    await server.insist(
      () => server.api.send("PATCH", `logged-models/${home.anchor}`, ready, signal),
      signal,
    );
  }
  return home;
}

function oldestOf(models: readonly z.infer<typeof LoggedModel>[]): Home | undefined {
  const [oldest] = models
    .map((model) => model.info)
    .toSorted(
      (a, b) => a.creation_timestamp_ms - b.creation_timestamp_ms || (a.model_id < b.model_id ? -1 : 1),
    );
  return oldest && { root: oldest.artifact_uri, anchor: oldest.model_id };
}

async function experimentId(server: Server, signal: AbortSignal): Promise<string> {
  const query = { experiment_name: EXPERIMENT };
  const look = () => server.api.get("experiments/get-by-name", query, Experiment, signal);
  let found = await server.find(look, signal);
  if (found === undefined) {
    // Somebody else may be faster, or our own lost answer: then it is there now.
    await server.attempt(
      () => server.api.post("experiments/create", { name: EXPERIMENT }, Empty, signal),
      signal,
    );
    found = await server.insist(look, signal);
  }
  const { experiment_id: id, lifecycle_stage: stage } = found.experiment;
  if (stage === "active") return id;
  throw new BackendRefused(
    `The MLflow experiment \`${EXPERIMENT}\`, which holds the files of registries, is deleted.`,
    `Restore it with \`mlflow experiments restore --experiment-id ${id}\`.`,
  );
}

/** Two registries must never share files: the collector of one would not see the tags of the other. */
async function refuseRenamed(server: Server, name: string, home: Home, signal: AbortSignal): Promise<void> {
  const filter = `tags.\`${ROOT_TAG}\` = '${home.root}'`;
  const found = await server.get("registered-models/search", { filter }, Names, signal);
  const other = found.registered_models.find((model) => model.name !== name);
  if (other === undefined) return;
  throw new BackendRefused(
    `The registered model \`${name}\` was renamed to \`${other.name}\` in MLflow.`,
    `Name \`${other.name}\` in the spec.`,
  );
}

/** Makes the registered model, or marks the one that is there. Of several that do it at once all take one home. */
async function settle(server: Server, name: string, home: Home, signal: AbortSignal): Promise<Home> {
  const tags = [
    { key: ROOT_TAG, value: home.root },
    ...(home.anchor === undefined ? [] : [{ key: ANCHOR_TAG, value: home.anchor }]),
  ];
  const body = {
    name,
    tags,
    description: "A registry of pipekit-experiment: each version is a model by its hash.",
  };
  const made = await server.attempt(
    () => server.api.post("registered-models/create", body, Empty, signal),
    signal,
  );
  if (!made.ok && made.fault.code !== "RESOURCE_ALREADY_EXISTS")
    await server.insist(async () => made, signal);
  const there = homeIn((await findModel(server, name, signal))?.tags);
  if (there !== undefined) return there;
  for (const tag of tags) await server.post("registered-models/set-tag", { name, ...tag }, Empty, signal);
  return homeIn((await findModel(server, name, signal))?.tags) ?? home;
}
