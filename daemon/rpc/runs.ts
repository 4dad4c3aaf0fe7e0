/** Runs and sinks as the wire shows them. */
import { type Run, RunState, type Sink, SinkState } from "@pipekit/proto";
import type { Journal, ReadSinkEntry, RunEntry } from "../journal/index.ts";

const RUN_STATE = {
  running: RunState.RUN_STATE_RUNNING,
  completed: RunState.RUN_STATE_COMPLETED,
  failed: RunState.RUN_STATE_FAILED,
} as const;

const SINK_STATE = {
  idle: SinkState.SINK_STATE_IDLE,
  sending: SinkState.SINK_STATE_SENDING,
  retrying: SinkState.SINK_STATE_RETRYING,
  done: SinkState.SINK_STATE_DONE,
  refused: SinkState.SINK_STATE_REFUSED,
} as const;

/** A run with everything that belongs to it. */
export async function fullRun(journal: Journal, entry: RunEntry): Promise<Run> {
  const [series, sinks] = await Promise.all([journal.series(entry.runId), journal.sinks(entry.runId)]);
  return {
    ...briefRun(entry, sinks),
    params: { ...entry.params },
    series: [...series],
    artifacts: [...entry.artifacts],
  };
}

/** A run without series, params and artifacts, as lists show it. */
export function briefRun(entry: RunEntry, sinks: readonly ReadSinkEntry[]): Run {
  const { start } = entry;
  return {
    runId: entry.runId,
    name: start.name,
    pipelineHash: start.pipelineHash,
    configJson: start.configJson,
    state: RUN_STATE[entry.state],
    reason: entry.reason,
    startedAtUs: start.startedAtUs,
    endedAtUs: entry.endedAtUs,
    host: start.host,
    pid: start.pid,
    client: start.client,
    tags: { ...entry.tags },
    params: {},
    points: entry.points,
    series: [],
    artifacts: [],
    sinks: sinks.map((sink) => toSink(sink, entry.points)),
  };
}

/** A sink's state; `points` is what the journal holds of the run. */
export function toSink(entry: ReadSinkEntry, points: number): Sink {
  return {
    pendingSinceUs: entry.pendingSinceUs,
    spec: entry.spec,
    state: SINK_STATE[entry.state],
    pointsSent: entry.pointsSent,
    pointsPending: Math.max(0, points - entry.pointsSent - entry.pointsDead),
    pointsDead: entry.pointsDead,
    lastError: entry.lastError,
    retryAtUs: entry.retryAtUs,
    remoteId: entry.remoteId,
    remoteUrl: entry.remoteUrl,
    pointsShown: entry.pointsShown,
    notes: [...entry.notes],
  };
}

/** The journal's word for a state of the wire; undefined for UNSPECIFIED. */
export function runStateName(state: RunState): RunEntry["state"] | undefined {
  for (const [name, value] of Object.entries(RUN_STATE)) {
    if (value === state) return name as RunEntry["state"];
  }
  return undefined;
}
