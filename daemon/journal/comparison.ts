import type { DatabaseSync } from "node:sqlite";
import { rowCrc } from "./checksum.ts";
import { numberOf } from "./schema.ts";
import { type RunSummary, statsOfRow } from "./summary.ts";
import { TOTALS } from "./tables.ts";
import { tellsTheSame } from "./told.ts";

/** A row of `runs`, whole. */
export interface RunRow {
  readonly number: number;
  readonly run_id: string;
  readonly name: string;
  readonly start: string;
  readonly started_at_us: number;
  readonly state: string;
  readonly reason: string;
  readonly ended_at_us: number;
  readonly points: number;
  readonly last_position: number;
  readonly bytes: number;
  readonly pruned_at_us: number;
  readonly seal: number | null;
  readonly resume: string;
  readonly group_id: string;
}

/** Which parts of what the tables say of a run its frames do not say. A salvaged run may know more than its frames do. */
export function differences(db: DatabaseSync, run: RunRow, summary: RunSummary): string[] {
  const { start, resume, end } = summary;
  const endIs = (state: string, reason: string, endedAtUs: number) =>
    run.state === state && run.reason === reason && run.ended_at_us === endedAtUs;
  const pairs = (table: string) =>
    new Map(
      db
        .prepare(`SELECT name, value FROM ${table} WHERE run = ?`)
        .all(run.number)
        .map(({ name, value }) => [String(name), String(value)]),
    );
  const artifacts = db
    .prepare("SELECT artifact FROM artifacts WHERE run = ? ORDER BY number")
    .all(run.number);
  const checks: readonly (readonly [string, boolean])[] = [
    ["start", start === undefined || (tellsTheSame(run.start, start.json) && start.name === run.name)],
    ["start time", start === undefined || start.startedAtUs === run.started_at_us],
    ["resume", resume === undefined || tellsTheSame(run.resume, resume.json)],
    ["end", end === undefined ? isEnd(run) : endIs(end.state, end.reason, end.endedAtUs)],
    ["group", start === undefined || (start.member?.group ?? "") === run.group_id],
    ["members", membersFit(db, run.number, summary)],
    ["points", summary.points === run.points],
    ["bytes", summary.bytes === run.bytes],
    ["last position", summary.frames === 0 || summary.lastPosition === run.last_position],
    ["seal", run.seal === null],
    ["tags", contains(pairs("tags"), summary.tags)],
    ["params", contains(pairs("params"), summary.params)],
    [
      "artifacts",
      artifactsFit(
        artifacts.map(({ artifact }) => String(artifact)),
        summary.artifacts,
      ),
    ],
    ["series", seriesFit(db, run.number, summary.series)],
  ];
  return checks.filter(([, fits]) => !fits).map(([what]) => what);
}

/** A salvaged run may have lost the frame of its end. */
function isEnd({ state, reason, ended_at_us }: RunRow): boolean {
  return (
    state === "completed" || state === "failed" || (state === "running" && reason === "" && ended_at_us === 0)
  );
}

/** A salvaged run may have lost the frame that a member began with. */
function membersFit(db: DatabaseSync, run: number, { members }: RunSummary): boolean {
  const table = db.prepare(`
    SELECT writer_id, rank, start, state, reason, ended_at_us FROM members WHERE run = ? ORDER BY writer_id`);
  const rows = table.all(run);
  const said = members.rows();
  const isMember = (row: (typeof rows)[number], i: number) => {
    const { start = "", ...others } = said[i] ?? {};
    const { start: rowStart, ...rowOthers } = row;
    return JSON.stringify(rowOthers) === JSON.stringify(others) && tellsTheSame(String(rowStart), start);
  };
  return rows.length === said.length && rows.every(isMember);
}

function contains(table: ReadonlyMap<string, string>, said: ReadonlyMap<string, string>): boolean {
  return [...said].every(([name, value]) => table.get(name) === value);
}

function artifactsFit(table: readonly string[], said: readonly string[]): boolean {
  return said.every((artifact, i) => tellsTheSame(table[i] ?? "", artifact));
}

function seriesFit(db: DatabaseSync, run: number, said: ReadonlyMap<string, Float64Array>): boolean {
  const rows = db.prepare("SELECT * FROM series WHERE run = ?").all(run);
  if (rows.length !== said.size) return false;
  return rows.every((row) => {
    const sums = said.get(String(row["key"]));
    return sums !== undefined && statsOfRow(row).every((value, i) => sameNumber(value, sums[i]));
  });
}

/** SQLite keeps no sign of zero. */
function sameNumber(a: number, b: number | undefined): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b));
}

/** Rows with a checksum, which is the last column. */
const CHECKED = {
  writers: "SELECT writer_id, run, last_seq, crc FROM writers",
  sinks: "SELECT * FROM sinks",
  dead_letters: `
    SELECT run, spec, kind, points, reason, from_position, from_offset, to_position, to_offset, at_us, crc
    FROM dead_letters`,
};

/** Positive when positions of frames that were there would be given again. */
const FREE_POSITION = `
  SELECT (SELECT max(ifnull(max(last_position), 0), ifnull((SELECT max(position) FROM frames), 0)) FROM runs)
    - ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'frames'), 0)`;

/** What is wrong with rows that no frame repeats, one sentence each. */
export function rowFaults(db: DatabaseSync): string[] {
  const faults: string[] = [];
  for (const [table, sql] of Object.entries(CHECKED)) {
    for (const row of db.prepare(sql).iterate()) {
      const { crc, ...values } = row;
      if (crc !== rowCrc(...Object.values(values))) faults.push(`A row of ${table} is not as it was saved.`);
    }
  }
  if (numberOf(db, "SELECT count(*) FROM frames WHERE run NOT IN (SELECT number FROM runs)") > 0) {
    faults.push("A frame belongs to no run.");
  }
  if (numberOf(db, FREE_POSITION) > 0) faults.push("A position may be given a second time.");
  if (JSON.stringify(db.prepare("SELECT * FROM totals").all()) !== JSON.stringify(db.prepare(TOTALS).all())) {
    faults.push("The totals differ from what the tables say.");
  }
  return faults;
}
