/** The summary of a run, in W&B's shape: the latest value of each metric. */

import { isObject, parseObject } from "./config.ts";
import { numberToken, type Row } from "./history.ts";

/** What the summary says. */
export interface Summary {
  /** Latest value of each metric, by W&B's key: a JSON token, or NaN, Infinity, -Infinity. */
  readonly values: ReadonlyMap<string, string>;
  /** `_step` and time, unix microseconds, of the latest row. */
  readonly step: number;
  readonly timeUs: number;
}

export const NO_SUMMARY: Summary = { values: new Map(), step: -1, timeUs: 0 };

/** More keys than this make W&B's tables unusable; the history has them all the same. */
const MOST_SUMMARY_KEYS = 10_000;

/** The summary after rows; `full` when keys were left out. */
export function summarize(
  before: Summary,
  rows: readonly Row[],
): { readonly summary: Summary; readonly full: boolean } {
  const values = new Map(before.values);
  let { step, timeUs } = before;
  let full = false;
  for (const row of rows) {
    for (const [key, token] of row.cells) {
      if (values.has(key) || values.size < MOST_SUMMARY_KEYS) values.set(key, token);
      else full = true;
    }
    step = Math.max(step, row.wandbStep);
    timeUs = Math.max(timeUs, row.timeUs);
  }
  return { summary: { values, step, timeUs }, full };
}

/** The summary file, one line. */
export function summaryLine(summary: Summary, startedAtUs: number): string {
  const cells = Array.from(summary.values, ([key, token]) => `${JSON.stringify(key)}:${token},`);
  const runtime = (summary.timeUs - startedAtUs) / 1e6;
  const times = `"_timestamp":${summary.timeUs / 1e6},"_runtime":${runtime}`;
  const own = `"_wandb":{"runtime":${Math.max(0, Math.floor(runtime))}}`;
  return `{${cells.join("")}"_step":${summary.step},${times},${own}}`;
}

/** Reads a summary that the server has; what is no number of ours is left out. */
export function readSummary(line: string): Summary {
  // Bare NaN and infinities are no JSON.
  const quoted = line.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (token) =>
    token.startsWith('"') ? token : `{"token":"${token}"}`,
  );
  const values = new Map<string, string>();
  const read = parseObject(quoted);
  for (const [key, value] of Object.entries(read)) {
    if (key.startsWith("_")) continue;
    if (typeof value === "number") values.set(key, numberToken(value));
    else if (isObject(value) && typeof value["token"] === "string") values.set(key, value["token"]);
  }
  const { _step: step, _timestamp: seconds } = read;
  return {
    values,
    step: typeof step === "number" ? step : NO_SUMMARY.step,
    timeUs: typeof seconds === "number" ? Math.round(seconds * 1e6) : NO_SUMMARY.timeUs,
  };
}
