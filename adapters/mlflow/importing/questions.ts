/** What is asked of a database of MLflow's, and the rows that answer. */
import type { DatabaseSync } from "node:sqlite";

export interface RunRow {
  readonly row: number;
  readonly uuid: string;
  readonly name: string | null;
  readonly experiment: string;
  readonly status: string | null;
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly artifactUri: string | null;
}

export interface PairRow {
  readonly key: string;
  readonly value: string | null;
}

export interface PointRow {
  readonly row: number;
  readonly key: string;
  readonly ms: number;
  readonly step: number;
  readonly value: number;
  readonly isNan: number;
}

/** The questions, checked against the database's tables. Throws SQLite's errors. */
export function prepare(db: DatabaseSync) {
  return {
    runs: db.prepare(`
      SELECT runs.rowid AS row, run_uuid AS uuid, runs.name AS name, experiments.name AS experiment, status,
        start_time AS startMs, end_time AS endMs, artifact_uri AS artifactUri
      FROM runs JOIN experiments USING (experiment_id)
      WHERE runs.rowid > ? AND runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active'
      ORDER BY runs.rowid LIMIT ?`),
    deleted: db.prepare("SELECT count(*) AS deleted FROM runs WHERE lifecycle_stage <> 'active'"),
    params: db.prepare("SELECT key, value FROM params WHERE run_uuid = ? ORDER BY key"),
    tags: db.prepare("SELECT key, value FROM tags WHERE run_uuid = ? ORDER BY key"),
    extent: db.prepare("SELECT count(*) AS points, max(rowid) AS last FROM metrics WHERE run_uuid = ?"),
    points: db.prepare(`
      SELECT rowid AS row, key, timestamp AS ms, step, value, is_nan AS isNan FROM metrics
      WHERE run_uuid = ? AND rowid > ? ORDER BY rowid LIMIT ?`),
  };
}
