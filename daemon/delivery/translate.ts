import type { SinkEnd, SinkRecord, SinkRun } from "@pipekit/adapters/tracker";
import { type Artifact, type Record, type RunEnd, RunState } from "@pipekit/proto";
import type { RunEntry } from "../journal/journal.ts";
import { flattenJson } from "./flatten.ts";

/** Where the content store keeps a file. */
export interface ContentPaths {
  pathOf(sha256: string): string;
}

/**
 * What a record that is neither points nor the end becomes at a sink. A start becomes its config as params and its
 * tags; opening the run in the tool is delivery's doing.
 */
export function toSinkRecords(record: Record, content: ContentPaths): SinkRecord[] {
  const fact = record.record;
  switch (fact?.$case) {
    case "start":
      return [...paramsOf(fact.value.configJson), ...tagsOf(fact.value.tags)];
    case "params":
      return paramsOf(fact.value.paramsJson);
    case "tags":
      return tagsOf(fact.value.tags);
    case "artifact":
      return [artifactOf(fact.value, content)];
    default:
      return [];
  }
}

/** Rough encoded size, bytes; an artifact's files do not count. */
export function encodedBytes(records: readonly SinkRecord[]): number {
  return records.reduce((sum, record) => sum + Buffer.byteLength(JSON.stringify(record)), 0);
}

function paramsOf(json: string): SinkRecord[] {
  const params = flattenJson(json);
  return Object.keys(params).length === 0 ? [] : [{ kind: "params", params }];
}

function tagsOf(tags: Readonly<{ [name: string]: string }>): SinkRecord[] {
  return Object.keys(tags).length === 0 ? [] : [{ kind: "tags", tags }];
}

function artifactOf(artifact: Artifact, content: ContentPaths): SinkRecord {
  const files = artifact.files.map(({ path, sha256, size }) => {
    return { path, sha256, size, localPath: content.pathOf(sha256) };
  });
  return { kind: "artifact", name: artifact.name, files, uri: artifact.uri };
}

/** The run as an adapter sees it. */
export function toSinkRun({ runId, start, resume }: Pick<RunEntry, "runId" | "start" | "resume">): SinkRun {
  // The run of a group may go on after an end: another member begins.
  const resumed = resume !== undefined || start.member !== undefined;
  const { name, pipelineHash, configJson, startedAtUs, host, client, tags } = start;
  return {
    runId,
    name,
    pipelineHash,
    configJson: configJson || "{}",
    startedAtUs,
    host,
    client,
    tags,
    resumed,
  };
}

/** The run's end as an adapter sees it. */
export function toSinkEnd({ state, reason, endedAtUs }: RunEnd): SinkEnd {
  return { state: state === RunState.RUN_STATE_COMPLETED ? "completed" : "failed", reason, endedAtUs };
}
