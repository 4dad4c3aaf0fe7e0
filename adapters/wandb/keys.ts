/** Names of metrics and params as W&B shows them. */

/** On each history row: the step as it was logged. `_step` is the same as long as steps rise. */
export const AXIS_KEY = "pipekit/step";
/** Key of the config under which our own facts of a run stand. */
export const OWN_CONFIG = "pipekit";

/** Metrics of the machine; W&B keeps them as events with time as their axis. */
const SYSTEM = "system/";
const ESCAPE = "pipekit.key/";

/**
 * The key under which W&B's history shows a metric. W&B takes any text, but hides what begins with an underscore; such
 * keys, and the one that we use ourselves, get a prefix, and so does what has that prefix already, so that two keys
 * never meet.
 */
export function wandbKey(key: string): string {
  return escaped(key, key === "" || key === AXIS_KEY || key.startsWith("_"));
}

/** The key under which W&B's config shows a param. */
export function configKey(key: string): string {
  return escaped(key, key === "" || key === OWN_CONFIG || key === "_wandb");
}

function escaped(key: string, reserved: boolean): string {
  return reserved || key.startsWith(ESCAPE) ? ESCAPE + key : key;
}

/** Whether a metric is one of the machine. */
export function isSystemKey(key: string): boolean {
  return key.startsWith(SYSTEM);
}

/** `system/gpu.0.temp` is W&B's `system.gpu.0.temp`. */
export function eventKey(key: string): string {
  return `system.${key.slice(SYSTEM.length)}`;
}

/** The metric that W&B's history shows under a key: the way back of `wandbKey`. */
export function metricOf(key: string): string {
  return key.startsWith(ESCAPE) ? key.slice(ESCAPE.length) : key;
}

/** The metric of a sample of the machine, as its record names it. */
export function keyOfEvent(key: string): string {
  return `${SYSTEM}${key.replace(/^system\./, "")}`;
}
