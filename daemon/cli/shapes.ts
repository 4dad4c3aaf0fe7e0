/** The JSON that commands print: the messages of the contract with names for numbers and objects for JSON texts. */
import { type Model, type Run, RunState, type Sink, SinkState } from "@pipekit/experiment";

const RUN_STATES: { readonly [state in RunState]?: string } = {
  [RunState.RUN_STATE_RUNNING]: "running",
  [RunState.RUN_STATE_COMPLETED]: "completed",
  [RunState.RUN_STATE_FAILED]: "failed",
};

const SINK_STATES: { readonly [state in SinkState]?: string } = {
  [SinkState.SINK_STATE_IDLE]: "idle",
  [SinkState.SINK_STATE_SENDING]: "sending",
  [SinkState.SINK_STATE_RETRYING]: "retrying",
  [SinkState.SINK_STATE_DONE]: "done",
  [SinkState.SINK_STATE_REFUSED]: "refused",
};

export function runState(run: Run): string {
  return RUN_STATES[run.state] ?? "unknown";
}

export function sinkState(sink: Sink): string {
  return SINK_STATES[sink.state] ?? "unknown";
}

/** A run; `brief` leaves out what a listing does not have. Values that are NaN become null. */
export function runDocument(run: Run, { brief }: { brief: boolean }) {
  const { configJson, series, params, artifacts, sinks, ...rest } = run;
  return {
    ...rest,
    state: runState(run),
    config: parsed(configJson || "{}"),
    sinks: sinks.map(sinkDocument),
    ...(brief ? {} : { params, series, artifacts }),
  };
}

function sinkDocument(sink: Sink) {
  return { ...sink, state: sinkState(sink) };
}

/** A model with its JSON texts as objects. */
export function modelDocument(model: Model) {
  const { operatorJson, metadataJson, trainingConfigJson, previewJson, manifest, ...rest } = model;
  return {
    ...rest,
    operator: parsed(operatorJson),
    metadata: parsed(metadataJson || "{}"),
    ...(trainingConfigJson !== "" && { trainingConfig: parsed(trainingConfigJson) }),
    ...(previewJson !== "" && { preview: parsed(previewJson) }),
    manifest,
  };
}

/** Names of an operator, as far as its JSON tells. */
export function operatorName(model: Model): string {
  const operator = parsed(model.operatorJson);
  if (typeof operator !== "object" || operator === null) return "";
  const named: { module?: unknown; class?: unknown } = operator;
  return [named.module, named.class].filter((part) => typeof part === "string").join(".");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
