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

const MEMBERS = `
  SELECT writer_id, rank, start, state, reason, ended_at_us FROM members WHERE run = ? ORDER BY writer_id`;

/** CRC-32 over all that is kept of a pruned run: no frame is there any more that it could be compared with. */
export function sealOf(db: DatabaseSync, run: number): number {
  const kept = KEPT.map((sql) => db.prepare(sql).all(run).map(Object.values));
  const members = db.prepare(MEMBERS).all(run).map(Object.values);
  // Left out where there are none, as by the daemons that knew no groups.
  return rowCrc(...kept, ...(members.length > 0 ? [members] : []));
}
