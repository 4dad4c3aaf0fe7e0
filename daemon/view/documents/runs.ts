/** Runs and sinks as people see them. */
import type { Run, SeriesSummary, Sink } from "@pipekit/experiment";
import type { RunBrief, RunDocument, SeriesDocument, SinkDocument } from "@pipekit/proto/editor";
import { headlineOf } from "./headline.ts";
import { jsonNumber } from "./numbers.ts";
import { runStateName, sinkStateName } from "./states.ts";
import { parsedText, webAddress } from "./texts.ts";

/** A run as lists show it. */
export function runBrief(run: Run): RunBrief {
  const headline = headlineOf(run.series);
  return {
    runId: run.runId,
    name: run.name,
    state: runStateName(run.state),
    reason: run.reason,
    startedAtUs: run.startedAtUs,
    endedAtUs: run.endedAtUs,
    points: run.points,
    tags: { ...run.tags },
    sinks: run.sinks.map(sinkDocument),
    ...(headline !== undefined && { headline }),
  };
}

/** A run, whole. */
export function runDocument(run: Run): RunDocument {
  return {
    ...runBrief(run),
    pipelineHash: run.pipelineHash,
    config: parsedText(run.configJson),
    params: { ...run.params },
    host: run.host,
    pid: run.pid,
    client: run.client,
    series: run.series.map(seriesDocument),
    artifacts: run.artifacts.map(({ name, uri, files }) => ({
      name,
      uri,
      files: files.map(({ path, sha256, size }) => ({ path, sha256, size })),
    })),
  };
}

function sinkDocument(sink: Sink): SinkDocument {
  return {
    spec: sink.spec,
    state: sinkStateName(sink.state),
    pointsSent: sink.pointsSent,
    pointsPending: sink.pointsPending,
    pointsDead: sink.pointsDead,
    lastError: sink.lastError,
    retryAtUs: sink.retryAtUs,
    remoteId: sink.remoteId,
    remoteUrl: webAddress(sink.remoteUrl),
    pendingSinceUs: sink.pendingSinceUs,
    notes: [...sink.notes],
  };
}

function seriesDocument(series: SeriesSummary): SeriesDocument {
  return {
    key: series.key,
    points: series.points,
    lastStep: series.lastStep,
    lastValue: jsonNumber(series.lastValue),
    minValue: jsonNumber(series.minValue),
    maxValue: jsonNumber(series.maxValue),
  };
}
