/** What ClearML keeps of a run's start and end as text. */

import { clip } from "@pipekit/adapters/http";
import type { SinkEnd, SinkRun } from "@pipekit/adapters/tracker";
import type { Names } from "./names.ts";

/** Section of the hyperparameters that shows params, as ClearML's `Task.connect` has it. */
export const PARAM_SECTION = "General";
/** Section that ClearML shows as user properties, and lets change in any state of a task. */
export const PROPERTY_SECTION = "properties";
/** User property that holds our run id. */
export const RUN_ID_PROPERTY = "pipekit_run_id";

const SHORTEST_NAME = 3;
const LONGEST_NAME = 250;

/** A hyperparameter as ClearML keeps it. */
export interface Hyperparameter {
  readonly section: string;
  readonly name: string;
  readonly value: string;
}

export function param(names: Names, key: string, value: string): Hyperparameter {
  return { section: PARAM_SECTION, name: names.param(key), value: value.toWellFormed() };
}

export function property(names: Names, key: string, value: string): Hyperparameter {
  return { section: PROPERTY_SECTION, name: names.property(key), value: value.toWellFormed() };
}

/** The name of a run's task. ClearML takes none of fewer than 3 characters. */
export function taskName(run: SinkRun, names: Names): string {
  const name = [...run.name.toWellFormed().trim()].slice(0, LONGEST_NAME).join("");
  if (name === "") return run.runId;
  if (name.length >= SHORTEST_NAME) return name;
  const longer = `run ${name}`;
  names.note(
    `ClearML takes no name of fewer than 3 characters: the run \`${clip(name)}\` is shown as \`${longer}\`.`,
  );
  return longer;
}

/** User properties of a run from its start. */
export function startProperties(run: SinkRun, names: Names): Hyperparameter[] {
  const own = {
    [RUN_ID_PROPERTY]: run.runId,
    pipekit_pipeline_hash: run.pipelineHash,
    pipekit_host: run.host,
    pipekit_client: run.client,
    pipekit_started_at: isoTime(run.startedAtUs),
  };
  return [
    ...ownProperties(own),
    ...Object.entries(run.tags).map(([key, value]) => property(names, key, value)),
  ];
}

function ownProperties(own: Readonly<Record<string, string>>): Hyperparameter[] {
  return Object.entries(own)
    .filter(([, value]) => value !== "")
    .map(([name, value]) => ({ section: PROPERTY_SECTION, name, value: value.toWellFormed() }));
}

/** How ClearML says that a run ended. */
export function endAction(end: SinkEnd): "completed" | "failed" | "stopped" {
  if (end.state === "completed") return "completed";
  return end.reason === "killed" ? "stopped" : "failed";
}

/** User properties of a run from its end. */
export function endProperties(end: SinkEnd): Hyperparameter[] {
  const own = {
    pipekit_state: endAction(end),
    pipekit_reason: end.reason,
    pipekit_ended_at: isoTime(end.endedAtUs),
  };
  return ownProperties(own);
}

/** User properties of a run that goes on after an end, in place of those of the end. */
export function resumedProperties(): Hyperparameter[] {
  const own = { pipekit_state: "running", pipekit_reason: "", pipekit_ended_at: "" };
  return Object.entries(own).map(([name, value]) => ({ section: PROPERTY_SECTION, name, value }));
}

/** ClearML's own time of an end is the time at which it heard of it. */
function isoTime(timeUs: number): string {
  const date = new Date(timeUs / 1000);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}

/** Hyperparameters in the form that tasks have. */
export function sections(
  parameters: readonly Hyperparameter[],
): Record<string, Record<string, Hyperparameter>> {
  const result = new Map<string, Map<string, Hyperparameter>>();
  for (const parameter of parameters) {
    const section = result.get(parameter.section) ?? new Map<string, Hyperparameter>();
    result.set(parameter.section, section.set(parameter.name, parameter));
  }
  // fromEntries defines own properties, so that a name `__proto__` is one like any other.
  return Object.fromEntries([...result].map(([name, section]) => [name, Object.fromEntries(section)]));
}
