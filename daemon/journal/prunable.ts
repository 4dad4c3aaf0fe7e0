import type { DatabaseSync } from "node:sqlite";
import type { PruneCandidate, PruneQuery, ReadSinkEntry } from "./journal.ts";
import { RUN_COLUMNS, runOfRow, snapshot } from "./rows.ts";
import { SINKS_OF_RUNS, sinkReader } from "./sinks.ts";

/** Reads the runs that may be pruned with what speaks against it, in two statements however many they are. */
export function candidateReader(
  db: DatabaseSync,
  file: string,
): (query: PruneQuery) => readonly PruneCandidate[] {
  const runs = db.prepare(`
    SELECT ${RUN_COLUMNS}, bytes, (SELECT count(*) FROM dead_letters WHERE run = number) AS dead_letters
    FROM runs
    WHERE state <> 'running' AND pruned_at_us = 0 AND ended_at_us < ?1
      AND (?2 = '[]' OR run_id IN (SELECT value FROM json_each(?2)))
    ORDER BY ended_at_us, number`);
  const sinksOfRuns = sinkReader(db, file, SINKS_OF_RUNS);
  return ({ endedBeforeUs, runIds }) =>
    snapshot(db, () => {
      const rows = runs.all(endedBeforeUs, JSON.stringify(runIds));
      const entries = rows.map(runOfRow);
      const sinks = new Map<string, ReadSinkEntry[]>(entries.map(({ runId }) => [runId, []]));
      for (const sink of sinksOfRuns(JSON.stringify([...sinks.keys()]))) sinks.get(sink.runId)?.push(sink);
      return entries.map((run, i) => ({
        run,
        sinks: sinks.get(run.runId) ?? [],
        deadLetters: Number(rows[i]?.["dead_letters"]),
        journalBytes: Number(rows[i]?.["bytes"]),
      }));
    });
}
