import type { DatabaseSync } from "node:sqlite";
import { rowCrc } from "./checksum.ts";
import { corrupt, refusalOf } from "./faults.ts";
import type { ReadSinkEntry, SinkEntry } from "./journal.ts";

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

/** A sink that was done with a run which goes on: it takes what comes from where it stands, and is counted anew. */
export function reopened(sink: SinkEntry): SinkEntry {
  return { ...sink, state: "idle", lastError: "", retryAtUs: 0, pointsShown: -1 };
}

/** What has no column of its own, as JSON. */
export type Detail = Pick<
  SinkEntry,
  "lastError" | "retryAtUs" | "remoteId" | "remoteUrl" | "pointsShown" | "notes" | "memo"
>;

/** The row of a sink, in the order of its columns; `run` is the number of its run. */
export function rowOfSink(run: number, sink: SinkEntry): (number | string)[] {
  const { spec, cursor, state, pointsSent, pointsDead } = sink;
  const { lastError, retryAtUs, remoteId, remoteUrl, pointsShown, notes, memo } = sink;
  const detail: Detail = { lastError, retryAtUs, remoteId, remoteUrl, pointsShown, notes, memo };
  const row = [
    run,
    spec,
    isOpen(state) ? 1 : 0,
    cursor.position,
    cursor.offset,
    pointsSent,
    pointsDead,
    state,
  ];
  const values = [...row, JSON.stringify(detail)];
  return [...values, rowCrc(...values)];
}

/** Writes a row of rowOfSink over the one before. */
export const SAVE_SINK = "INSERT OR REPLACE INTO sinks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/** A row of the table, joined with its run's id. */
interface SinkRow {
  readonly run_id: string;
  readonly run: number;
  readonly spec: string;
  readonly open: number;
  readonly cursor_position: number;
  readonly cursor_offset: number;
  readonly points_sent: number;
  readonly points_dead: number;
  readonly state: SinkEntry["state"];
  readonly detail: string;
  readonly crc: number;
  /** NULL when no frame stands behind the cursor. */
  readonly pending_since_us: number | null;
}

const SELECT_SINKS = `
  SELECT run_id, sinks.*, (SELECT at_us FROM frames WHERE frames.run = sinks.run AND position > cursor_position
    ORDER BY position LIMIT 1) AS pending_since_us
  FROM sinks JOIN runs ON number = sinks.run`;

/** The condition of the sinks that are not done. */
export const OPEN_SINKS = "open = 1";

/** The condition of the sinks of many runs: takes their ids as a JSON array. */
export const SINKS_OF_RUNS = "run_id IN (SELECT value FROM json_each(?))";

/** Reads sinks by what stands behind WHERE. Throws CORRUPT_JOURNAL. */
export function sinkReader(
  db: DatabaseSync,
  file: string,
  where: string,
): (...args: (number | string)[]) => ReadSinkEntry[] {
  const statement = db.prepare(`${SELECT_SINKS} WHERE ${where} ORDER BY sinks.run, spec`);
  return (...args) => statement.all(...args).map((row) => sinkOfRow(row, file));
}

function sinkOfRow(read: unknown, file: string): ReadSinkEntry {
  const row = read as SinkRow;
  if (!isIntact(row)) {
    throw refusalOf(corrupt(`the sink ${row.spec} of run ${row.run_id} is not as it was saved`, file));
  }
  return {
    runId: row.run_id,
    spec: row.spec,
    cursor: { position: row.cursor_position, offset: row.cursor_offset },
    state: row.state,
    pointsSent: row.points_sent,
    pointsDead: row.points_dead,
    ...(JSON.parse(row.detail) as Detail),
    pendingSinceUs: row.pending_since_us ?? 0,
  };
}

function isIntact(row: SinkRow): boolean {
  const { run, spec, open, cursor_position, cursor_offset, points_sent, points_dead, state, detail } = row;
  const values = [run, spec, open, cursor_position, cursor_offset, points_sent, points_dead, state, detail];
  return row.crc === rowCrc(...values);
}
