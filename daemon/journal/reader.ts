import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { DeadLetterEntry } from "./journal.ts";
import type { ReaderCalls } from "./messages.ts";
import { RUN_COLUMNS, runFinder, runOfRow, SERIES_OF_RUN, seriesOfRow, snapshot } from "./rows.ts";
import { MetricScan } from "./scan.ts";

/** Most bytes of frames in one answer, beyond its first frame. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

interface DeadLetterRow {
  readonly id: number;
  readonly run_id: string;
  readonly spec: string;
  readonly kind: string;
  readonly points: number;
  readonly reason: string;
  readonly from_position: number;
  readonly from_offset: number;
  readonly to_position: number;
  readonly to_offset: number;
  readonly at_us: number;
}

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
      ORDER BY started_at_us DESC, number DESC LIMIT ?`),
    letters: db.prepare(`
      SELECT run_id, dead_letters.* FROM dead_letters JOIN runs ON number = run ORDER BY id LIMIT ?`),
    lettersOfRun: db.prepare(`
      SELECT run_id, dead_letters.* FROM dead_letters JOIN runs ON number = run WHERE run = ?
      ORDER BY id LIMIT ?`),
    series: db.prepare(SERIES_OF_RUN),
    frames: db.prepare(`
      SELECT position, points, body FROM frames WHERE run = ? AND position > ? ORDER BY position`),
  };
  const found = runFinder(db);
  return {
    runs: ({ before, state = null, nameContains = "", limit }) => {
      const { startedAtUs, number } =
        before === undefined ? { startedAtUs: Number.POSITIVE_INFINITY, number: 0 } : found(before);
      return sql.runs.all(startedAtUs, number, state, nameContains, limit).map(runOfRow);
    },
    deadLetters: ({ runId, limit }) =>
      runId === undefined
        ? lettersOf(sql.letters.all(limit))
        : lettersOf(sql.lettersOfRun.all(found(runId).number, limit)),
    frames: (args) => framesAfter(args, sql.frames, found(args.runId).number),
    plan: async (range) => {
      const { upTo, counts } = snapshot(db, () => {
        const { number, lastPosition } = found(range.runId);
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
  { cursor, maxPoints }: ReaderCalls["frames"]["args"],
  statement: StatementSync,
  run: number,
): ReaderCalls["frames"]["answer"] {
  const frames: { position: number; body: Uint8Array }[] = [];
  // Items before the offset have been taken already and do not count.
  let wanted = Math.max(1, maxPoints) + cursor.offset;
  let bytes = 0;
  for (const row of statement.iterate(run, cursor.position)) {
    const frame = row as unknown as { position: number; points: number; body: Uint8Array };
    frames.push({ position: frame.position, body: frame.body });
    wanted -= Math.max(1, frame.points);
    bytes += frame.body.byteLength;
    if (wanted <= 0 || bytes >= MAX_ANSWER_BYTES) break;
  }
  return frames;
}

function lettersOf(rows: unknown[]): DeadLetterEntry[] {
  return (rows as DeadLetterRow[]).map((row) => ({
    id: row.id,
    runId: row.run_id,
    spec: row.spec,
    kind: row.kind,
    points: row.points,
    reason: row.reason,
    from: { position: row.from_position, offset: row.from_offset },
    to: { position: row.to_position, offset: row.to_offset },
    atUs: row.at_us,
  }));
}
