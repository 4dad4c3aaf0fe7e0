import type { DatabaseSync } from "node:sqlite";
import type { Artifact, RunStart, SeriesSummary } from "@pipekit/proto";
import { Refusal } from "./faults.ts";
import type { Resumption, RunEntry } from "./journal.ts";

/** How rows of the tables become what the journal answers. */

/** Shortest run id prefix that names a run. */
export const MIN_PREFIX = 8;

/** The columns of a RunRow, from `runs`. */
export const RUN_COLUMNS = `run_id, start, resume, state, reason, ended_at_us, points, last_position, pruned_at_us,
  (SELECT json_group_object(name, value) FROM tags WHERE run = number) AS tags,
  (SELECT json_group_object(name, value) FROM params WHERE run = number) AS params,
  (SELECT json_group_array(json(artifact)) FROM
    (SELECT artifact FROM artifacts WHERE artifacts.run = runs.number ORDER BY artifacts.number)) AS artifacts`;

interface RunRow {
  readonly run_id: string;
  readonly start: string;
  readonly resume: string;
  readonly state: RunEntry["state"];
  readonly reason: string;
  readonly ended_at_us: number;
  readonly points: number;
  readonly last_position: number;
  readonly pruned_at_us: number;
  readonly tags: string;
  readonly params: string;
  readonly artifacts: string;
}

/** `row` has RUN_COLUMNS. */
export function runOfRow(row: unknown): RunEntry {
  const run = row as RunRow;
  return {
    runId: run.run_id,
    start: JSON.parse(run.start) as RunStart,
    resume: resumptionOf(run.resume),
    state: run.state,
    reason: run.reason,
    endedAtUs: run.ended_at_us,
    points: run.points,
    tags: JSON.parse(run.tags) as RunEntry["tags"],
    params: JSON.parse(run.params) as RunEntry["params"],
    artifacts: JSON.parse(run.artifacts) as Artifact[],
    lastPosition: run.last_position,
    prunedAtUs: run.pruned_at_us,
  };
}

/** What a run's column `resume` says. */
export function resumptionOf(text: string): Resumption | undefined {
  return text === "" ? undefined : (JSON.parse(text) as Resumption);
}

/** Takes the number of a run. */
export const SERIES_OF_RUN = `
  SELECT key, points, last_step, last_value, min_value, max_value FROM series WHERE run = ? ORDER BY key`;

interface SeriesRow {
  readonly key: string;
  readonly points: number;
  readonly last_step: number;
  readonly last_value: number | null;
  readonly min_value: number | null;
  readonly max_value: number | null;
}

/** `row` comes from SERIES_OF_RUN. */
export function seriesOfRow(row: unknown): SeriesSummary {
  const series = row as SeriesRow;
  return {
    key: series.key,
    points: series.points,
    lastStep: series.last_step,
    lastValue: series.last_value ?? Number.NaN,
    minValue: series.min_value ?? Number.NaN,
    maxValue: series.max_value ?? Number.NaN,
  };
}

/** What other tables and scans need of a run. */
export interface RunNumbers {
  readonly number: number;
  readonly lastPosition: number;
  readonly startedAtUs: number;
  /** 0 when its frames are there. */
  readonly prunedAtUs: number;
}

/** Finds a run by its whole id. The found function throws RUN_NOT_FOUND. */
export function runFinder(db: DatabaseSync): (runId: string) => RunNumbers {
  const statement = db.prepare(`
    SELECT number, last_position AS lastPosition, started_at_us AS startedAtUs, pruned_at_us AS prunedAtUs
    FROM runs WHERE run_id = ?`);
  return (runId) => {
    const row = statement.get(runId);
    if (row === undefined) throw runNotFound(runId);
    return row as unknown as RunNumbers;
  };
}

/** Finds a run whose frames are there. The found function throws RUN_NOT_FOUND, RUN_PRUNED. */
export function unprunedFinder(db: DatabaseSync): (runId: string) => RunNumbers {
  const found = runFinder(db);
  return (runId) => {
    const run = found(runId);
    if (run.prunedAtUs > 0) throw runPruned(runId, run.prunedAtUs);
    return run;
  };
}

/** Several statements that see one state of the journal. */
export function snapshot<T>(db: DatabaseSync, read: () => T): T {
  db.exec("BEGIN");
  try {
    return read();
  } finally {
    db.exec("COMMIT");
  }
}

/** RUN_NOT_FOUND for a question. */
export function runNotFound(runId: string): Refusal {
  return new Refusal("RUN_NOT_FOUND", `No run has the id ${runId}.`, {
    field: "run_id",
    mend: `Give a run id or at least its first ${MIN_PREFIX} characters; \`pkx runs list\` shows them.`,
  });
}

/** RUN_PRUNED: its records are gone. */
export function runPruned(runId: string, prunedAtUs: number): Refusal {
  const when = new Date(prunedAtUs / 1000).toISOString();
  return new Refusal("RUN_PRUNED", `The records of run ${runId} were pruned at ${when}.`, {
    field: "run_id",
    mend: "Read its points where its sinks took them; the summaries of its series are kept.",
  });
}
