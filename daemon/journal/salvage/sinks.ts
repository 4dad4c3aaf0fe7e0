import type { DatabaseSync } from "node:sqlite";
import { Frame } from "@pipekit/proto";
import { type Cursor, itemCount, type SinkEntry } from "../journal.ts";
import { ADD_LETTER_WITH_ID, rowOfLetter } from "../letters.ts";
import { type Detail, reopened, rowOfSink, SAVE_SINK } from "../sinks.ts";
import type { Row } from "./harvest.ts";

/** A run of the new journal. */
export interface NewRun {
  readonly runId: string;
  /** In the new journal. */
  readonly number: number;
  /** In the damaged journal; undefined when nothing tells. */
  readonly oldNumber: number | undefined;
}

/** Writes the sinks and dead letters of a new journal. Their cursors hold, since frames keep their positions. */
export class SinkRebuilder {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: DatabaseSync) {
    this.#sql = prepare(db);
  }

  /** `row` has the columns of a sink without the checksum. False when it cannot be read. */
  writeSink({ runId, number, oldNumber }: NewRun, row: Row): boolean {
    const sink = sinkOf(runId, row);
    if (sink === undefined) return false;
    const { cursor, points } = this.#placeOf(number, oldNumber ?? -1, sink.cursor);
    // Counts are those of the frames that are left, so that what is pending adds up.
    const pointsDead = Math.min(sink.pointsDead, points);
    const pointsSent = points - pointsDead;
    const entry = { ...sink, cursor, pointsDead, pointsSent };
    const hasMore = this.#sql.more.get(number, cursor.position) !== undefined;
    this.#sql.saveSink.run(...rowOfSink(number, sink.state === "done" && hasMore ? reopened(entry) : entry));
    return true;
  }

  /** The sink of a pruned run, whose frames were there when it counted. */
  writeSinkAsIs({ runId, number }: NewRun, row: Row): boolean {
    const sink = sinkOf(runId, row);
    if (sink !== undefined) this.#sql.saveSink.run(...rowOfSink(number, sink));
    return sink !== undefined;
  }

  /** `row` has the columns of a dead letter between id and checksum. */
  writeLetter({ runId, number }: NewRun, id: number, row: Row): void {
    const [, spec, kind, points, reason, fromPosition, fromOffset, toPosition, toOffset, atUs] = row;
    const letter = {
      runId,
      spec: String(spec),
      kind: String(kind),
      points: Number(points),
      reason: String(reason),
      from: { position: Number(fromPosition), offset: Number(fromOffset) },
      to: { position: Number(toPosition), offset: Number(toOffset) },
    };
    this.#sql.addLetter.run(id, ...rowOfLetter(number, letter, Number(atUs)));
  }

  /** The cursor among the frames that are left, and how many points of them it passed. */
  #placeOf(
    run: number,
    oldRun: number,
    cursor: Cursor,
  ): { readonly cursor: Cursor; readonly points: number } {
    const { position, offset } = cursor;
    const before = Number(this.#sql.points.get(run, position)?.["points"]);
    if (offset === 0) return { cursor, points: before };
    const next = this.#sql.next.get(run, position);
    const upTo = Number(next?.["position"] ?? Number.MAX_SAFE_INTEGER);
    // When the frame that was begun is lost, nothing of the next one was taken.
    if (this.#sql.lost.get(oldRun, position, upTo) !== undefined || next === undefined) {
      return { cursor: { position, offset: 0 }, points: before };
    }
    const { taken, items } = partOf(next["body"] as Uint8Array, offset);
    if (offset >= items) return { cursor: { position, offset: 0 }, points: before };
    return { cursor, points: before + taken };
  }
}

/** Points among the first `offset` items of a frame, and all its items. */
function partOf(body: Uint8Array, offset: number): { readonly taken: number; readonly items: number } {
  let taken = 0;
  let items = 0;
  for (const record of Frame.decode(body).records) {
    const count = itemCount(record);
    if (record.record?.$case === "metrics") taken += Math.max(0, Math.min(count, offset - items));
    items += count;
  }
  return { taken, items };
}

const STATES: readonly string[] = [
  "idle",
  "sending",
  "retrying",
  "done",
  "refused",
] satisfies SinkEntry["state"][];

function sinkOf(runId: string, row: Row): SinkEntry | undefined {
  const [, spec, , position, offset, sent, dead, state, detail] = row;
  if (!STATES.includes(String(state))) return undefined;
  try {
    return {
      runId,
      spec: String(spec),
      cursor: { position: Number(position), offset: Number(offset) },
      state: String(state) as SinkEntry["state"],
      pointsSent: Number(sent),
      pointsDead: Number(dead),
      ...(JSON.parse(String(detail)) as Detail),
    };
  } catch {
    return undefined;
  }
}

function prepare(db: DatabaseSync) {
  return {
    saveSink: db.prepare(SAVE_SINK),
    addLetter: db.prepare(ADD_LETTER_WITH_ID),
    more: db.prepare("SELECT 1 FROM runs WHERE number = ? AND (state = 'running' OR last_position > ?)"),
    points: db.prepare("SELECT ifnull(sum(points), 0) AS points FROM frames WHERE run = ? AND position <= ?"),
    next: db.prepare(
      "SELECT position, body FROM frames WHERE run = ? AND position > ? ORDER BY position LIMIT 1",
    ),
    lost: db.prepare(`
      SELECT 1 FROM expected WHERE run = ? AND position > ? AND position < ?
        AND position NOT IN (SELECT position FROM frames) LIMIT 1`),
  };
}
