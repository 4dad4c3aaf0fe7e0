/** Finds or makes the W&B run of one of our runs. W&B's run ids are the client's choice, so making it twice makes one. */

import { createHash } from "node:crypto";
import type { SinkRun } from "@pipekit/adapters/tracker";
import { PUBLIC_URL, type ServerSpec } from "../spec.ts";
import { NO_SUMMARY, readSummary, type Summary } from "../summary.ts";
import type { WandbApi } from "./api.ts";
import { Facts } from "./facts.ts";
import type { Result } from "./faults.ts";
import type { Place } from "./memo.ts";
import { RUN_STATUS, UPSERT_RUN } from "./operations.ts";

export interface RemoteRun {
  readonly place: Place;
  readonly facts: Facts;
  /** Lines that the server has. */
  readonly historyLines: number;
  readonly eventsLines: number;
  /** As the server has it. */
  readonly summary: Summary;
}

const LONGEST_NAME = 128;
const NO_LINES = { historyLines: 0, eventsLines: 0, summary: NO_SUMMARY };

/** W&B's id of a run: ours in lower case, or its digest when W&B would not take it. */
export function wandbRunId(runId: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(runId)) return runId.toLowerCase();
  return createHash("sha256").update(runId).digest("hex").slice(0, 32);
}

/** What the server has of the run; undefined when it has none. */
export async function findRun(
  api: WandbApi,
  { entity, project, name }: Pick<Place, "entity" | "project" | "name">,
  signal: AbortSignal,
): Promise<Result<RemoteRun | undefined>> {
  const status = await api.graphql(RUN_STATUS, { entity: entity || null, project, name }, signal);
  // Some servers answer an unknown project by a refusal; making the run tells what is wrong.
  if (!status.ok) return status.fault.kind === "refused" ? { ok: true, value: undefined } : status;
  const { model } = status.value;
  if (model?.bucket == null) return { ok: true, value: undefined };
  const { bucket } = model;
  const place = {
    storageId: bucket.id,
    entity: model.entity.name,
    project: model.name,
    name: bucket.name,
  };
  const lines = { historyLines: bucket.historyLineCount ?? 0, eventsLines: bucket.eventsLineCount ?? 0 };
  const summary = readSummary(bucket.summaryMetrics ?? "{}");
  return { ok: true, value: { place, facts: Facts.of(bucket), ...lines, summary } };
}

/** Makes the run, or brings what the server has of it up to how it starts; what other people added stays. */
export async function createRun(
  api: WandbApi,
  spec: ServerSpec,
  run: SinkRun,
  found: RemoteRun | undefined,
  signal: AbortSignal,
): Promise<Result<RemoteRun>> {
  const facts = Facts.starting(run, found?.facts);
  const displayName = [...run.name.toWellFormed()].slice(0, LONGEST_NAME).join("");
  const variables = {
    ...{ entity: spec.entity || null, project: spec.project, name: wandbRunId(run.runId) },
    ...{ displayName: displayName || null, host: run.host || null, ...facts.variables([]) },
  };
  const made = await api.graphql(UPSERT_RUN, variables, signal);
  if (!made.ok) return made;
  const { bucket } = made.value.upsertBucket;
  const place = {
    storageId: bucket.id,
    entity: bucket.project.entity.name,
    project: bucket.project.name,
    name: bucket.name,
  };
  return { ok: true, value: { ...(found ?? NO_LINES), place, facts } };
}

/** Where a person sees the run. The public server shows runs at another host than it takes them. */
export function runUrl(serverUrl: string, place: Place): string {
  const app = serverUrl === PUBLIC_URL ? "https://wandb.ai" : serverUrl;
  const path = [place.entity, place.project, "runs", place.name].map(encodeURIComponent).join("/");
  return `${app}/${path}`;
}

/** Path of the stream of the run's files. */
export function streamPath(place: Place): string {
  return `/files/${[place.entity, place.project, place.name].map(encodeURIComponent).join("/")}/file_stream`;
}
