import type { SeriesSummary } from "@pipekit/experiment";
import type { RunBrief } from "@pipekit/proto/editor";
import { jsonNumber } from "./numbers.ts";

/** What a person looks at first, in this order; of keys of one kind, the shortest. */
const KINDS: readonly RegExp[] = [/loss/i, /(acc|auc|f1|score|reward|metric)/i, /^/];

/** The last value of the metric that a person looks at first; none where a run has no metrics but the system's. */
export function headlineOf(series: readonly SeriesSummary[]): RunBrief["headline"] {
  let best: SeriesSummary | undefined;
  for (const one of series) {
    if (one.key.startsWith("system/")) continue;
    if (best === undefined || compare(one.key, best.key) < 0) best = one;
  }
  return best && { key: best.key, step: best.lastStep, value: jsonNumber(best.lastValue) };
}

function compare(a: string, b: string): number {
  return kindOf(a) - kindOf(b) || a.length - b.length || (a < b ? -1 : 1);
}

function kindOf(key: string): number {
  return KINDS.findIndex((kind) => kind.test(key));
}
