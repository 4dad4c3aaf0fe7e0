import type { DatabaseSync } from "node:sqlite";
import { Refusal } from "./faults.ts";
import type { RunEntry, SinkEntry } from "./journal.ts";
import type { LookupCalls } from "./messages.ts";
import {
  MIN_PREFIX,
  RUN_COLUMNS,
  runFinder,
  runNotFound,
  runOfRow,
  SERIES_OF_RUN,
  seriesOfRow,
  snapshot,
} from "./rows.ts";
import { SINK_COLUMNS, type SinkRow, sinkOfRow } from "./sinks.ts";

/** Above every character of a run id. */
const LAST_CHARACTER = "\u{10ffff}";

/** The calls, each on one method. */
export type Lookups = {
  [K in keyof LookupCalls]: (args: LookupCalls[K]["args"]) => LookupCalls[K]["answer"];
};

/**
 * Questions of microseconds, which the writer's thread answers between two commits: most daemons never need the
 * second thread. Throws Refusal and SQLite's errors.
 */
export function lookups(db: DatabaseSync): Lookups {
  const sql = {
    lastSeq: db.prepare("SELECT last_seq FROM writers WHERE writer_id = ?"),
    run: db.prepare(`SELECT ${RUN_COLUMNS} FROM runs WHERE run_id = ?`),
    prefix: db.prepare(`SELECT ${RUN_COLUMNS} FROM runs WHERE run_id >= ? AND run_id < ? LIMIT 2`),
    series: db.prepare(SERIES_OF_RUN),
    openSinks: db.prepare(`
      SELECT ${SINK_COLUMNS} FROM sinks JOIN runs ON number = run WHERE open = 1 ORDER BY run, spec`),
    sinks: db.prepare(
      `SELECT ${SINK_COLUMNS} FROM sinks JOIN runs ON number = run WHERE run = ? ORDER BY spec`,
    ),
    totals: db.prepare(`
      SELECT frames, points, runs, runs_running AS runsRunning, dead_letters AS deadLetters,
        (SELECT ifnull(sum(runs.points - points_sent - points_dead), 0)
          FROM sinks JOIN runs ON number = run WHERE open = 1 AND sinks.state <> 'refused') AS pointsPending
      FROM totals`),
  };
  const found = runFinder(db);
  const byPrefix = (prefix: string): RunEntry => {
    if (prefix.length < MIN_PREFIX) throw runNotFound(prefix);
    const [only, other] = sql.prefix.all(prefix, prefix + LAST_CHARACTER);
    if (only === undefined) throw runNotFound(prefix);
    if (other === undefined) return runOfRow(only);
    throw new Refusal("REF_AMBIGUOUS", `Several runs begin with ${prefix}.`, {
      field: "run_id",
      mend: "Give more characters of the run id; `pkx runs list` shows them.",
    });
  };
  return {
    lastSeq: (writerId) => Number(sql.lastSeq.get(writerId)?.["last_seq"] ?? 0),
    run: (idOrPrefix) => {
      const exact = sql.run.get(idOrPrefix);
      return exact === undefined ? byPrefix(idOrPrefix) : runOfRow(exact);
    },
    series: (runId) => snapshot(db, () => sql.series.all(found(runId).number).map(seriesOfRow)),
    openSinks: () => sinksOf(sql.openSinks.all()),
    sinks: (runId) => snapshot(db, () => sinksOf(sql.sinks.all(found(runId).number))),
    totals: () => sql.totals.get() as unknown as LookupCalls["totals"]["answer"],
  };
}

function sinksOf(rows: unknown[]): SinkEntry[] {
  return (rows as SinkRow[]).map(sinkOfRow);
}
