import type { SinkEntry } from "./journal.ts";

/** How sinks stand in their table: numbers that are summed have columns, the rest is one JSON text. */

/** Whether a sink still has to be worked on after a restart. One that refused its run is asked again then. */
export function isOpen(state: SinkEntry["state"]): boolean {
  return state !== "done";
}

/** A sink as it is when its run starts. */
export function newSink(runId: string, spec: string): SinkEntry {
  return {
    runId,
    spec,
    cursor: { position: 0, offset: 0 },
    state: "idle",
    pointsSent: 0,
    pointsDead: 0,
    lastError: "",
    retryAtUs: 0,
    remoteId: "",
    remoteUrl: "",
    pointsShown: -1,
    notes: [],
    memo: {},
  };
}

type Detail = Pick<
  SinkEntry,
  "lastError" | "retryAtUs" | "remoteId" | "remoteUrl" | "pointsShown" | "notes" | "memo"
>;

/** What has no column of its own, as JSON. */
export function sinkDetail(sink: SinkEntry): string {
  const { lastError, retryAtUs, remoteId, remoteUrl, pointsShown, notes, memo } = sink;
  const detail: Detail = { lastError, retryAtUs, remoteId, remoteUrl, pointsShown, notes, memo };
  return JSON.stringify(detail);
}

/** A row of the table, joined with its run's id. */
export interface SinkRow {
  readonly run_id: string;
  readonly spec: string;
  readonly cursor_position: number;
  readonly cursor_offset: number;
  readonly points_sent: number;
  readonly points_dead: number;
  readonly state: SinkEntry["state"];
  readonly detail: string;
}

/** The columns of a SinkRow, from `sinks JOIN runs`. */
export const SINK_COLUMNS =
  "run_id, spec, cursor_position, cursor_offset, points_sent, points_dead, sinks.state, detail";

export function sinkOfRow(row: SinkRow): SinkEntry {
  return {
    runId: row.run_id,
    spec: row.spec,
    cursor: { position: row.cursor_position, offset: row.cursor_offset },
    state: row.state,
    pointsSent: row.points_sent,
    pointsDead: row.points_dead,
    ...(JSON.parse(row.detail) as Detail),
  };
}
