/**
 * Which points stand together on one line of a run's history, or of its events.
 *
 * W&B's history is a file of lines, each with its own `_step`, which must rise. A line holds the points of one step:
 * points that follow each other with the same step join the open line, unless it has their key already or would get
 * too long; else a new line begins. `_step` is the step where that rises, else one more than the last `_step`. The step as
 * it was logged stands on every line (AXIS_KEY), from the first on: rows without it would be missing from the charts
 * of a run whose steps turn back later.
 *
 * Architecture Invariant: where lines begin is a function of the sequence of points alone, never of batches or of
 * time. A sequence sent again in other pieces from an earlier RowState gives the same lines at the same numbers.
 */

import type { SinkRecord } from "@pipekit/adapters/tracker";
import { z } from "zod";
import { AXIS_KEY, eventKey, wandbKey } from "./keys.ts";

export type Point = Extract<SinkRecord, { kind: "point" }>;

const Row = z.object({
  /** As it was logged. */
  step: z.number(),
  /** `_step`. */
  wandbStep: z.number(),
  /** Of the latest point of the row; unix microseconds. */
  timeUs: z.number(),
  /** W&B's key, and the value as a JSON token or NaN, Infinity, -Infinity. */
  cells: z.array(z.tuple([z.string(), z.string()])),
});
/** A line. */
export type Row = Readonly<Omit<z.infer<typeof Row>, "cells">> & {
  readonly cells: readonly (readonly [string, string])[];
};

/** How far the lines of a run have got. Plain JSON, to be kept in a memo. */
export const RowState = z.object({
  /** Lines before the open one, which are never written again. */
  lines: z.number().int().nonnegative(),
  /** `_step` of the latest line; -1 before the first. */
  lastStep: z.number(),
  /** Whether a line stands under another `_step` than its own step. */
  displaced: z.boolean(),
  /** The line that further points may join; it is line number `lines`. */
  open: Row.optional(),
});
export type RowState = Readonly<Omit<z.infer<typeof RowState>, "open">> & { readonly open?: Row | undefined };

export const NO_ROWS: RowState = { lines: 0, lastStep: -1, displaced: false };

/** What points have made of a state. */
export interface Written {
  readonly state: RowState;
  /** Number of the first line in `rows`. */
  readonly offset: number;
  /** Lines that are new or have grown, in order: the first one may be written already, with fewer cells. */
  readonly rows: readonly Row[];
}

/**
 * Longest cells of a line, characters of JSON; W&B takes 10 MB. An open line is written again whenever it grows, and kept
 * in memos, which are small.
 */
const LONGEST = { history: 24 * 1024, events: 8 * 1024 } as const;
/** Steps beyond it do not become `_step`, so that there is always room for it to rise. */
const HIGHEST_STEP = 2 ** 52;
/** JSON around a cell, in a line and in a memo. */
const CELL_EXTRA = 6;

/** Adds points to the history. */
export function addPoints(state: RowState, points: readonly Point[]): Written {
  return write(state, points, "history", (point, last) => {
    const natural = point.step > last && point.step <= HIGHEST_STEP;
    return natural ? point.step : last + 1;
  });
}

/** Adds points of the machine to the events: a line holds what was measured at one time; steps need not rise there. */
export function addEvents(state: RowState, points: readonly Point[]): Written {
  return write(state, points, "events", (point) => point.step);
}

function write(
  state: RowState,
  points: readonly Point[],
  stream: keyof typeof LONGEST,
  stepOf: (point: Point, last: number) => number,
): Written {
  const keyOf = stream === "events" ? eventKey : wandbKey;
  const rows: Row[] = [];
  let { lines, lastStep, displaced, open } = state;
  const offset = lines;
  let grown = false;
  let keys = new Set(open?.cells.map(([key]) => key));
  let cells = open === undefined ? [] : [...open.cells];
  let size = cells.reduce((sum, cell) => sum + sizeOf(cell), 0);
  const close = () => {
    if (open === undefined) return;
    rows.push({ ...open, cells });
    lines++;
  };
  for (const point of points) {
    const cell: readonly [string, string] = [keyOf(point.key), numberToken(point.value)];
    const joins =
      open !== undefined &&
      open.step === point.step &&
      (stream === "history" || open.timeUs === point.timeUs) &&
      !keys.has(cell[0]) &&
      size + sizeOf(cell) <= LONGEST[stream];
    if (!joins) {
      close();
      const wandbStep = stepOf(point, lastStep);
      displaced ||= wandbStep !== point.step;
      lastStep = wandbStep;
      open = { step: point.step, wandbStep, timeUs: point.timeUs, cells: [] };
      keys = new Set();
      cells = [];
      size = 0;
    } else if (open !== undefined) {
      open = { ...open, timeUs: Math.max(open.timeUs, point.timeUs) };
    }
    keys.add(cell[0]);
    cells.push(cell);
    size += sizeOf(cell);
    grown = true;
  }
  if (open !== undefined && grown) open = { ...open, cells };
  // A line that was open before, is whole, and did not grow is written already.
  const first = rows[0];
  const unchanged = state.open !== undefined && first?.cells.length === state.open.cells.length;
  const changed = grown && open !== undefined ? [...rows, open] : rows;
  return {
    state: { lines, lastStep, displaced, ...(open === undefined ? {} : { open }) },
    offset: unchanged ? offset + 1 : offset,
    rows: unchanged ? changed.slice(1) : changed,
  };
}

/** A line of the history. `startedAtUs` is when the run started. */
export function historyLine(row: Row, startedAtUs: number): string {
  const cells = row.cells.map(cellJson).join("");
  return `{${cells}"${AXIS_KEY}":${row.step},"_step":${row.wandbStep},${timesJson(row, startedAtUs)}}`;
}

/** A line of the events. */
export function eventLine(row: Row, startedAtUs: number): string {
  const cells = row.cells.map(cellJson).join("");
  return `{"_wandb":true,${cells}"_step":${row.step},${timesJson(row, startedAtUs)}}`;
}

/** A double as W&B reads it: JSON, or a bare NaN or Infinity. */
export function numberToken(value: number): string {
  return Object.is(value, -0) ? "-0.0" : String(value);
}

function timesJson(row: Row, startedAtUs: number): string {
  return `"_timestamp":${row.timeUs / 1e6},"_runtime":${(row.timeUs - startedAtUs) / 1e6}`;
}

function cellJson([key, token]: readonly [string, string]): string {
  return `${JSON.stringify(key)}:${token},`;
}

function sizeOf([key, token]: readonly [string, string]): number {
  return JSON.stringify(key).length + token.length + CELL_EXTRA;
}
