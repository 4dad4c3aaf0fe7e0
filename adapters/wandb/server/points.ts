/** Points on their way to the stream of a run. */

import type { SinkRecord } from "@pipekit/adapters/tracker";
import { addEvents, addPoints, eventLine, historyLine, type Point } from "../history.ts";
import { isSystemKey } from "../keys.ts";
import { summarize, summaryLine } from "../summary.ts";
import type { StreamPart } from "./api.ts";
import type { Written } from "./memo.ts";

/** A point and the index of its record in the batch. */
export interface Indexed {
  readonly index: number;
  readonly point: Point;
}

export function pointsOf(batch: readonly SinkRecord[]): readonly Indexed[] {
  return batch.flatMap((record, index) => (record.kind === "point" ? [{ index, point: record }] : []));
}

/** What points make of a run: its state after them, and the lines that say so. */
export interface Step {
  readonly written: Written;
  readonly files: Readonly<Record<string, StreamPart>>;
  /** Whether keys were left out of the summary. */
  readonly summaryFull: boolean;
}

export function stepOf(before: Written, points: readonly Indexed[], startedAtUs: number): Step {
  const metrics: Point[] = [];
  const system: Point[] = [];
  for (const { point } of points) (isSystemKey(point.key) ? system : metrics).push(point);
  const history = addPoints(before.history, metrics);
  const events = addEvents(before.events, system);
  const { summary, full } = summarize(before.summary, history.rows);
  const files: Record<string, StreamPart> = {};
  if (history.rows.length > 0) {
    const content = history.rows.map((row) => historyLine(row, startedAtUs));
    files["wandb-history.jsonl"] = { offset: history.offset, content };
    files["wandb-summary.json"] = { offset: 0, content: [summaryLine(summary, startedAtUs)] };
  }
  if (events.rows.length > 0) {
    const content = events.rows.map((row) => eventLine(row, startedAtUs));
    files["wandb-events.jsonl"] = { offset: events.offset, content };
  }
  const eventPoints = countInto(before.eventPoints, system);
  return {
    written: { history: history.state, events: events.state, eventPoints, summary },
    files,
    summaryFull: full,
  };
}

function countInto(before: Written["eventPoints"], points: readonly Point[]): Written["eventPoints"] {
  if (points.length === 0 || before === undefined) return before;
  const counts = new Map(before);
  for (const { key } of points) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}
