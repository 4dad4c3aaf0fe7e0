import type { DatabaseSync } from "node:sqlite";
import type { SinkBacklog } from "./journal.ts";

/** What the sinks that are not done have still to take, one row a scheme and state. Reads O(open sinks). */
export function backlogReader(db: DatabaseSync): () => SinkBacklog[] {
  const statement = db.prepare(`
    SELECT substr(spec, 1, instr(spec, ':') - 1) AS scheme, sinks.state AS state, count(*) AS sinks,
      sum(runs.points - points_sent - points_dead) AS points,
      ifnull(min((SELECT at_us FROM frames WHERE frames.run = sinks.run AND position > cursor_position
        ORDER BY position LIMIT 1)), 0) AS pendingSinceUs
    FROM sinks JOIN runs ON number = sinks.run WHERE open = 1 GROUP BY scheme, sinks.state`);
  return () => statement.all().map((row) => ({ ...(row as unknown as SinkBacklog) }));
}
