/** States of runs and sinks in words. */
import { RunState, SinkState } from "@pipekit/experiment";
import type { RunStateName, SinkStateName } from "@pipekit/proto/editor";

const RUN_STATES: { readonly [state in RunState]?: RunStateName } = {
  [RunState.RUN_STATE_RUNNING]: "running",
  [RunState.RUN_STATE_COMPLETED]: "completed",
  [RunState.RUN_STATE_FAILED]: "failed",
};

const SINK_STATES: { readonly [state in SinkState]?: SinkStateName } = {
  [SinkState.SINK_STATE_IDLE]: "idle",
  [SinkState.SINK_STATE_SENDING]: "sending",
  [SinkState.SINK_STATE_RETRYING]: "retrying",
  [SinkState.SINK_STATE_DONE]: "done",
  [SinkState.SINK_STATE_REFUSED]: "refused",
};

export function runStateName(state: RunState): RunStateName {
  return RUN_STATES[state] ?? "unknown";
}

export function sinkStateName(state: SinkState): SinkStateName {
  return SINK_STATES[state] ?? "unknown";
}
