/** A line of a metric's file: `ms value step`, with a data set and its digest in newer ones, without a step in old ones. */
import type { PastRow } from "@pipekit/adapters/history";

/** The point of a line; undefined when it is none. */
export function rowOf(line: string, keys: readonly string[]): PastRow | undefined {
  const [ms, text = "", step = "0"] = line.trim().split(" ");
  // Python writes `nan`, `inf` and `-inf`.
  const value = /^[+-]?(?:nan|inf)/i.test(text) ? special(text) : Number(text || "x");
  const timeUs = Number(ms) * 1000;
  if (Number.isNaN(timeUs) || (Number.isNaN(value) && !/nan/i.test(text))) return undefined;
  return { keys, step: Number(step), timeUs, values: [value] };
}

function special(text: string): number {
  if (/nan/i.test(text)) return Number.NaN;
  return text.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
