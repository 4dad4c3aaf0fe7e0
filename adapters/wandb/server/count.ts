/** Counts the points that W&B shows. */

import { setTimeout as delay } from "node:timers/promises";
import type { SinkCount } from "@pipekit/adapters/tracker";
import { isSystemKey, wandbKey } from "../keys.ts";
import type { WandbApi } from "./api.ts";
import type { Place, Written } from "./memo.ts";
import { HISTORY_KEYS, HistoryKey } from "./operations.ts";
import { findRun } from "./remote-run.ts";

/** Waits for a server that takes lines before it shows them. */
const PATIENCE_MS: readonly number[] = [0, 500, 1000, 2000, 4000];

/** What the server shows. */
interface Shown {
  /** By W&B's key. */
  readonly keys: unknown;
  /** Lines of the events that are missing. */
  readonly missing: number;
  /** Whether it has the latest line that was written. */
  readonly whole: boolean;
}

/**
 * Rows of the history that have each key, as W&B counts them. Of the events W&B tells only how many lines it has: when
 * those are as many as were written, all points on them are shown; else each missing line is taken for a point of
 * each key. Undefined when W&B does not answer, or nobody remembers what is on the events' lines.
 */
export async function countPoints(
  api: WandbApi,
  place: Place,
  written: Written,
  keys: readonly string[],
  signal: AbortSignal,
  patienceMs = PATIENCE_MS,
): Promise<SinkCount | undefined> {
  const { eventPoints } = written;
  const system = keys.some(isSystemKey);
  if (system && eventPoints === undefined) return undefined;
  let shown: Shown | undefined;
  for (const wait of patienceMs) {
    await delay(wait, undefined, { signal }).catch(() => undefined);
    shown = await look(api, place, written, system, signal);
    if (shown === undefined) return undefined;
    if (shown.whole) break;
  }
  const { keys: rows, missing = 0 } = shown ?? {};
  const counts = keys.map((key) =>
    isSystemKey(key) ? Math.max(0, (eventPoints?.get(key) ?? 0) - missing) : rowsWith(rows, wandbKey(key)),
  );
  return {
    points: counts.reduce((sum, count) => sum + count, 0),
    byKey: Object.fromEntries(keys.map((key, index) => [key, counts[index] ?? 0])),
  };
}

async function look(
  api: WandbApi,
  place: Place,
  { history, events }: Written,
  system: boolean,
  signal: AbortSignal,
): Promise<Shown | undefined> {
  const { entity, project, name } = place;
  const told = await api.graphql(HISTORY_KEYS, { entity, project, name }, signal);
  if (!told.ok) return undefined;
  const { keys, lastStep } = told.value.project?.run?.historyKeys ?? {};
  let missing = 0;
  if (system) {
    const found = await findRun(api, place, signal);
    if (!found.ok) return undefined;
    const lines = events.lines + (events.open === undefined ? 0 : 1);
    missing = Math.max(0, lines - (found.value?.eventsLines ?? 0));
  }
  return { keys, missing, whole: missing === 0 && (lastStep ?? -1) >= history.lastStep };
}

function rowsWith(shown: unknown, key: string): number {
  if (typeof shown !== "object" || shown === null || !Object.hasOwn(shown, key)) return 0;
  const told = HistoryKey.safeParse((shown as Readonly<Record<string, unknown>>)[key]).data;
  return (told?.typeCounts ?? []).reduce((sum, { count }) => sum + count, 0);
}
