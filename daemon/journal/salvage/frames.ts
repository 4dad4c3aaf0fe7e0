import type { DatabaseSync } from "node:sqlite";
import { Frame } from "@pipekit/proto";
import { isIntact } from "../checksum.ts";
import { frameFacts } from "../facts.ts";
import type { FrameFacts } from "../messages.ts";
import { nowUs } from "../schema.ts";
import type { FrameRow } from "../summary.ts";
import type { FrameTaker } from "./harvest.ts";

/** Positions of a journal stay below this; a larger one is damage. */
const MAX_POSITION = 2 ** 47;
/** So many more positions than are known of may have been given; beyond, a number is damage. */
const LIKELY_MORE = 1_000_000;
const FRAMES_AT_A_TIME = 256;
const BYTES_AT_A_TIME = 8 * 1024 * 1024;

/** Positions that held, or should hold, a frame; `to` is the last of them. */
export interface PositionRange {
  readonly from: number;
  readonly to: number;
}

/** Puts intact frames into the new journal, at their positions, and remembers which others there were. */
export class FrameKeeper implements FrameTaker {
  /** The runs met: id to number in the new journal. */
  readonly numbers = new Map<string, number>();
  /** Number of a run in the damaged journal to ids that rows say it has, and how many do. */
  readonly #votes = new Map<number, Map<string, number>>();
  readonly #db: DatabaseSync;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #atUs = nowUs();
  #frames = 0;
  #bytes = 0;

  constructor(db: DatabaseSync) {
    this.#db = db;
    db.exec(
      "CREATE TEMP TABLE expected (position INTEGER PRIMARY KEY, run INTEGER NOT NULL, sure INTEGER NOT NULL)",
    );
    this.#sql = prepare(db);
    db.exec("BEGIN");
  }

  frame(row: FrameRow): void {
    const facts = factsOf(row);
    if (facts === undefined) {
      if (row.position < MAX_POSITION) this.#sql.expect.run(row.position, row.run, 0);
      return;
    }
    const { runId, writerId, seq, points } = facts;
    const number = this.numberOf(runId);
    this.vote(row.run, runId);
    const atUs = row.at_us > 0 ? row.at_us : this.#atUs;
    this.#sql.keep.run(row.position, number, writerId, seq, points, row.body, row.crc, atUs);
    this.#bytes += row.body.byteLength;
    if (++this.#frames >= FRAMES_AT_A_TIME || this.#bytes >= BYTES_AT_A_TIME) this.#commit();
  }

  /** The number of a run in the new journal; a new one for a run not met before. */
  numberOf(runId: string): number {
    const number = this.numbers.get(runId) ?? this.numbers.size + 1;
    this.numbers.set(runId, number);
    return number;
  }

  /** A row says that a run has this number in the damaged journal. The number has no checksum, so that rows may differ. */
  vote(oldNumber: number, runId: string): void {
    const ids = this.#votes.get(oldNumber) ?? new Map<string, number>();
    this.#votes.set(oldNumber, ids.set(runId, (ids.get(runId) ?? 0) + 1));
  }

  /** Numbers in the damaged journal to ids, each one to one: what most rows say. */
  oldNumbers(): ReadonlyMap<number, string> {
    const votes = [...this.#votes].flatMap(([number, ids]) =>
      [...ids].map(([id, count]) => ({ number, id, count })),
    );
    const chosen = new Map<number, string>();
    const taken = new Set<string>();
    for (const { number, id } of votes.sort((a, b) => b.count - a.count)) {
      if (chosen.has(number) || taken.has(id)) continue;
      chosen.set(number, id);
      taken.add(id);
    }
    return chosen;
  }

  expect(position: number, run: number): void {
    if (position >= 1 && position < MAX_POSITION) this.#sql.expect.run(position, run, 1);
  }

  /** The largest position given so far. `unsure` ones, from rows without a checksum, count when they are likely. */
  lastPosition(unsure: Iterable<number>): number {
    const sure = Number(this.#sql.last.get()?.["position"] ?? 0);
    const likely = [...unsure].filter((position) => position < 2 * sure + LIKELY_MORE);
    return likely.reduce((a, b) => Math.max(a, b), sure);
  }

  /** Positions up to `last` without a frame, except those of runs in `pruned` (numbers in the damaged journal). */
  lost(last: number, pruned: ReadonlySet<number>): PositionRange[] {
    // Pruning takes positions away for good: then only those count of which something else still tells.
    const { gaps, missing } = this.#sql;
    const ranges = pruned.size === 0 ? gaps.all(last) : missing.all(last, JSON.stringify([...pruned]));
    return joined(ranges as unknown as PositionRange[]);
  }

  /** Writes what is kept so far for good. */
  finish(): void {
    this.#db.exec("COMMIT");
  }

  #commit(): void {
    this.#db.exec("COMMIT; BEGIN");
    this.#frames = 0;
    this.#bytes = 0;
  }
}

function prepare(db: DatabaseSync) {
  return {
    // The same row may stand on a page that is in use and on one that was given up.
    keep: db.prepare("INSERT OR IGNORE INTO frames VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
    expect: db.prepare(`
      INSERT INTO expected VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET run = excluded.run, sure = 1
      WHERE excluded.sure = 1`),
    last: db.prepare(`
      SELECT max(position) AS position
      FROM (SELECT position FROM frames UNION ALL SELECT position FROM expected WHERE sure = 1)`),
    gaps: db.prepare(`
      SELECT before + 1 AS "from", position - 1 AS "to"
      FROM (SELECT position, lag(position, 1, 0) OVER (ORDER BY position) AS before
        FROM (SELECT position FROM frames UNION ALL SELECT ?1 + 1))
      WHERE position > before + 1`),
    missing: db.prepare(`
      SELECT position AS "from", position AS "to" FROM expected
      WHERE position <= ? AND position NOT IN (SELECT position FROM frames)
        AND run NOT IN (SELECT value FROM json_each(?))
      ORDER BY position`),
  };
}

/** What a frame says, when it is what was journaled; one of version 1, without checksum, when it agrees with its row. */
function factsOf(row: FrameRow): FrameFacts | undefined {
  if (!isIntact(row) || row.position >= MAX_POSITION) return undefined;
  try {
    const facts = frameFacts(Frame.decode(row.body));
    const agrees = facts.writerId === row.writer_id && facts.seq === row.seq && facts.points === row.points;
    return row.crc !== null || agrees ? facts : undefined;
  } catch {
    // Whatever decoding and checking throw: these bytes are no frame.
    return undefined;
  }
}

function joined(ranges: readonly PositionRange[]): PositionRange[] {
  const all: { from: number; to: number }[] = [];
  for (const { from, to } of ranges) {
    const before = all.at(-1);
    if (before !== undefined && before.to + 1 === from) before.to = to;
    else all.push({ from, to });
  }
  return all;
}
