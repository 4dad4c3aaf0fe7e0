import type { DatabaseSync, StatementSync } from "node:sqlite";
import { backlogReader } from "./backlog.ts";
import { type CheckedFrame, checkBody } from "./checksum.ts";
import { readLetters } from "./letters.ts";
import type { ReaderCalls } from "./messages.ts";
import { candidateReader } from "./prunable.ts";
import {
  RUN_COLUMNS,
  runFinder,
  runOfRow,
  SERIES_OF_RUN,
  seriesOfRow,
  snapshot,
  unprunedFinder,
} from "./rows.ts";
import { MetricScan } from "./scan.ts";
import { OPEN_SINKS, SINKS_OF_RUNS, sinkReader } from "./sinks.ts";

/** Most bytes of frames in one answer, beyond its first frame. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** The calls, each on one method. */
export type JournalReader = {
  [K in keyof ReaderCalls]: (
    args: ReaderCalls[K]["args"],
  ) => ReaderCalls[K]["answer"] | Promise<ReaderCalls[K]["answer"]>;
};

/**
 * Lists, frames and metric points, on a connection and a thread of their own so that they never delay a commit.
 * Throws Refusal and SQLite's errors.
 */
export function journalReader(db: DatabaseSync, file: string): JournalReader {
  const scan = new MetricScan(db, file);
  const sql = {
    runs: db.prepare(`
      SELECT ${RUN_COLUMNS} FROM runs
      WHERE (started_at_us, number) < (?, ?) AND state = ifnull(?, state) AND instr(name, ?)
        AND group_id = ifnull(?, group_id)
      ORDER BY started_at_us DESC, number DESC LIMIT ?`),
    series: db.prepare(SERIES_OF_RUN),
    frames: db.prepare(`
      SELECT position, points, body, crc FROM frames WHERE run = ? AND position > ? ORDER BY position`),
    content: db.prepare(`
      SELECT DISTINCT json_extract(file.value, '$.sha256') AS sha256
      FROM artifacts JOIN runs ON runs.number = run, json_each(artifact, '$.files') AS file
      WHERE pruned_at_us = 0`),
  };
  const openSinks = sinkReader(db, file, OPEN_SINKS);
  const sinksOfRuns = sinkReader(db, file, SINKS_OF_RUNS);
  const backlog = backlogReader(db);
  const candidates = candidateReader(db, file);
  const found = runFinder(db);
  const unpruned = unprunedFinder(db);
  return {
    runs: ({ before, state = null, nameContains = "", group = null, limit }) => {
      const { startedAtUs, number } =
        before === undefined ? { startedAtUs: Number.POSITIVE_INFINITY, number: 0 } : found(before);
      return sql.runs.all(startedAtUs, number, state, nameContains, group, limit).map(runOfRow);
    },
    openSinks: () => openSinks(),
    backlog: () => backlog(),
    sinksOf: (runIds) => sinksOfRuns(JSON.stringify(runIds)),
    deadLetters: ({ runId, ...query }) => {
      if (runId === undefined) return readLetters(db, file, query);
      return snapshot(db, () => readLetters(db, file, { ...query, run: found(runId).number }));
    },
    prunable: (query) => candidates(query),
    contentInUse: () => sql.content.all().map(({ sha256 }) => String(sha256)),
    frames: (args) => snapshot(db, () => framesAfter(args, sql.frames, unpruned(args.runId).number, file)),
    plan: async (range) => {
      const { upTo, counts } = snapshot(db, () => {
        const { number, lastPosition } = unpruned(range.runId);
        return { upTo: lastPosition, counts: sql.series.all(number).map(seriesOfRow) };
      });
      const wanted = new Set(range.keys);
      if (range.fromStep === Number.NEGATIVE_INFINITY && range.toStep === Number.POSITIVE_INFINITY) {
        return { upTo, counts: counts.filter(({ key }) => wanted.size === 0 || wanted.has(key)) };
      }
      const counted = await scan.count({ ...range, upTo });
      return { upTo, counts: counted.filter(({ points }) => points > 0) };
    },
    page: (args) => scan.page(args),
    sample: (args) => scan.sample(args),
  };
}

function framesAfter(
  { runId, cursor, maxPoints }: ReaderCalls["frames"]["args"],
  statement: StatementSync,
  run: number,
  file: string,
): ReaderCalls["frames"]["answer"] {
  const frames: { position: number; body: Uint8Array }[] = [];
  // Items before the offset have been taken already and do not count.
  let wanted = Math.max(1, maxPoints) + cursor.offset;
  let bytes = 0;
  for (const row of statement.iterate(run, cursor.position)) {
    const frame = row as unknown as CheckedFrame & { readonly points: number };
    checkBody(frame, runId, file);
    frames.push({ position: frame.position, body: frame.body });
    wanted -= Math.max(1, frame.points);
    bytes += frame.body.byteLength;
    if (wanted <= 0 || bytes >= MAX_ANSWER_BYTES) break;
  }
  return frames;
}
