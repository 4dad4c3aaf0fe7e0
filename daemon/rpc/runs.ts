/** Runs and sinks as the wire shows them. */
import { type Run, type RunMember, RunState, type Sink, SinkState } from "@pipekit/proto";
import type { Journal, MemberEntry, ReadSinkEntry, RunEntry } from "../journal/index.ts";

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
  const { runId } = entry;
  const members = entry.start.member === undefined ? [] : journal.members(runId);
  const [series, sinks, writers] = await Promise.all([journal.series(runId), journal.sinks(runId), members]);
  const run = briefRun(entry, sinks);
  return {
    ...run,
    group: run.group && { ...run.group, members: writers.map(toMember) },
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
    group: start.member && { group: start.member.group, worldSize: start.member.worldSize, members: [] },
    sinks: sinks.map((sink) => toSink(sink, entry.points)),
  };
}

function toMember(entry: MemberEntry): RunMember {
  const { writerId, rank, start, state, reason, endedAtUs, seenAtUs } = entry;
  const { host, pid, startedAtUs } = start;
  return {
    writerId,
    rank,
    state: RUN_STATE[state],
    reason,
    host,
    pid,
    startedAtUs,
    endedAtUs,
    seenAtUs,
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
