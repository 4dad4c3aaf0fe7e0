/** The JSON that commands print: the messages of the contract with names for numbers and objects for JSON texts. */
import type { Model, Run, RunGroup, RunMember, Sink } from "@pipekit/experiment";
import * as models from "../view/documents/models.ts";
import { runStateName, sinkStateName } from "../view/documents/states.ts";
import { parsedText } from "../view/documents/texts.ts";

export function runState(run: Run): string {
  return runStateName(run.state);
}

export function memberState({ state }: RunMember): string {
  return runStateName(state);
}

export function sinkState(sink: Sink): string {
  return sinkStateName(sink.state);
}

/** A run; `brief` leaves out what a listing does not have. Values that are NaN become null. */
export function runDocument(run: Run, { brief }: { brief: boolean }) {
  const { configJson, series, params, artifacts, sinks, group, ...rest } = run;
  return {
    ...rest,
    ...(group && { group: groupDocument(group, brief) }),
    state: runState(run),
    config: parsedText(configJson),
    sinks: sinks.map(sinkDocument),
    ...(brief ? {} : { params, series, artifacts }),
  };
}

function groupDocument({ members, ...group }: RunGroup, brief: boolean) {
  return brief ? group : { ...group, members: members.map((one) => ({ ...one, state: memberState(one) })) };
}

function sinkDocument(sink: Sink) {
  return { ...sink, state: sinkState(sink) };
}

/** A model with its JSON texts as objects. */
export function modelDocument(model: Model) {
  const { operatorJson, metadataJson, trainingConfigJson, previewJson, manifest, ...rest } = model;
  return {
    ...rest,
    operator: parsedText(operatorJson),
    metadata: parsedText(metadataJson),
    ...(trainingConfigJson !== "" && { trainingConfig: parsedText(trainingConfigJson) }),
    ...(previewJson !== "" && { preview: parsedText(previewJson) }),
    manifest,
  };
}

/** Names of an operator, as far as its JSON tells. */
export function operatorName(model: Model): string {
  return models.operatorName(model.operatorJson);
}
