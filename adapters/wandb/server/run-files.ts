/** Files of a run, beside its stream. */

import type { SinkRun } from "@pipekit/adapters/tracker";
import type { WandbApi } from "./api.ts";
import type { Fault } from "./faults.ts";
import type { Place } from "./memo.ts";
import { CREATE_RUN_FILES } from "./operations.ts";
import { streamPath } from "./remote-run.ts";
import { headersOf } from "./upload.ts";

const METADATA = "wandb-metadata.json";

/** Puts the file from which W&B's overview of a run tells host and start. Repeating it is harmless. */
export async function putMetadata(
  api: WandbApi,
  place: Place,
  run: SinkRun,
  signal: AbortSignal,
): Promise<Fault | undefined> {
  const variables = { entity: place.entity, project: place.project, run: place.name, files: [METADATA] };
  const made = await api.graphql(CREATE_RUN_FILES, variables, signal);
  if (!made.ok) return made.fault;
  const { files, uploadHeaders } = made.value.createRunFiles;
  const address = files[0]?.uploadUrl;
  if (!address) return { kind: "transient", reason: "W&B names no address for a file of the run." };
  const startedAt = new Date(run.startedAtUs / 1000).toISOString();
  const text = JSON.stringify({ host: run.host, startedAt, client: run.client });
  const put = await api.put(address, headersOf(uploadHeaders), text, signal);
  if (!put.ok) return put.fault;
  const told = await api.stream(streamPath(place), { uploaded: [METADATA] }, signal);
  return told.ok ? undefined : told.fault;
}
