import type { DatabaseSync } from "node:sqlite";
import { backlogReader } from "./backlog.ts";
import { Refusal } from "./faults.ts";
import type { RunEntry } from "./journal.ts";
import { memberReader } from "./member-table.ts";
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
import { OPEN_SINKS, sinkReader } from "./sinks.ts";
import { WriterTable } from "./writers.ts";

/** Above every character of a run id. */
const LAST_CHARACTER = "\u{10ffff}";

/** So many sinks are read in a millisecond or two. */
const FEW_SINKS = 200;

/** The calls, each on one method. */
export type Lookups = {
  [K in keyof LookupCalls]: (args: LookupCalls[K]["args"]) => LookupCalls[K]["answer"];
};

/**
 * Questions of microseconds, which the writer's thread answers between two commits: most daemons never need the
 * second thread. Throws Refusal and SQLite's errors.
 */
export function lookups(db: DatabaseSync, file: string): Lookups {
  const sql = {
    run: db.prepare(`SELECT ${RUN_COLUMNS} FROM runs WHERE run_id = ?`),
    prefix: db.prepare(`SELECT ${RUN_COLUMNS} FROM runs WHERE run_id >= ? AND run_id < ? LIMIT 2`),
    series: db.prepare(SERIES_OF_RUN),
    manyOpen: db.prepare(`SELECT 1 FROM sinks WHERE open = 1 LIMIT 1 OFFSET ${FEW_SINKS}`),
    totals: db.prepare(`
      SELECT frames, points, runs, runs_running AS runsRunning, dead_letters AS deadLetters,
        (SELECT ifnull(sum(runs.points - points_sent - points_dead), 0)
          FROM sinks JOIN runs ON number = run WHERE open = 1 AND sinks.state <> 'refused') AS pointsPending
      FROM totals`),
  };
  const writers = new WriterTable(db, file);
  const openSinks = sinkReader(db, file, OPEN_SINKS);
  const sinksOfRun = sinkReader(db, file, "sinks.run = ?");
  const members = memberReader(db);
  const backlog = backlogReader(db);
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
    lastSeq: (writerId) => writers.get(writerId)?.lastSeq ?? 0,
    run: (idOrPrefix) => {
      const exact = sql.run.get(idOrPrefix);
      return exact === undefined ? byPrefix(idOrPrefix) : runOfRow(exact);
    },
    series: (runId) => snapshot(db, () => sql.series.all(found(runId).number).map(seriesOfRow)),
    fewOpenSinks: () => (sql.manyOpen.get() === undefined ? openSinks() : undefined),
    sinks: (runId) => snapshot(db, () => sinksOfRun(found(runId).number)),
    members: (runId) => snapshot(db, () => members(found(runId).number)),
    fewBacklog: () => (sql.manyOpen.get() === undefined ? backlog() : undefined),
    totals: () => sql.totals.get() as unknown as LookupCalls["totals"]["answer"],
  };
}
