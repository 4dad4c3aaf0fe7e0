import type { DatabaseSync } from "node:sqlite";
import { rowCrc } from "./checksum.ts";

/** What is kept of a pruned run, each statement taking the number of the run. */
const KEPT = [
  `SELECT run_id, name, start, started_at_us, state, reason, ended_at_us, points, last_position, pruned_at_us
   FROM runs WHERE number = ?`,
  "SELECT key, points, last_step, last_value, min_value, max_value FROM series WHERE run = ? ORDER BY key",
  "SELECT name, value FROM tags WHERE run = ? ORDER BY name",
  "SELECT name, value FROM params WHERE run = ? ORDER BY name",
  "SELECT artifact FROM artifacts WHERE run = ? ORDER BY number",
];

/** CRC-32 over all that is kept of a pruned run: no frame is there any more that it could be compared with. */
export function sealOf(db: DatabaseSync, run: number): number {
  return rowCrc(...KEPT.map((sql) => db.prepare(sql).all(run).map(Object.values)));
}
