import type { DatabaseSync } from "node:sqlite";
import { rowCrc } from "./checksum.ts";
import { corrupt, refusalOf } from "./faults.ts";
import type { DeadLetterEntry, DeadLetterQuery, NewDeadLetter } from "./journal.ts";

/** How dead letters stand in their table. */

/** Writes a row of rowOfLetter. */
export const ADD_LETTER = `
  INSERT INTO dead_letters (run, spec, kind, points, reason, from_position, from_offset, to_position, to_offset,
    at_us, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** The same behind an id. */
export const ADD_LETTER_WITH_ID = "INSERT INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/** The row of a dead letter without its id; `run` is the number of its run. */
export function rowOfLetter(run: number, letter: NewDeadLetter, atUs: number): (number | string)[] {
  const { spec, kind, points, reason, from, to } = letter;
  const span = [from.position, from.offset, to.position, to.offset];
  const values = [run, spec, kind, points, reason, ...span, atUs];
  return [...values, rowCrc(...values)];
}

interface LetterRow {
  readonly id: number;
  readonly run: number;
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
  readonly crc: number;
}

/** Reads dead letters, oldest first; `run` is the number of the run in the query. Throws CORRUPT_JOURNAL. */
export function readLetters(
  db: DatabaseSync,
  file: string,
  { run, spec, ids, afterId = 0, limit }: Omit<DeadLetterQuery, "runId"> & { readonly run?: number },
): DeadLetterEntry[] {
  const where = ["id > ?"];
  const args: (number | string)[] = [afterId];
  const fits = (condition: string, value: number | string | undefined) => {
    if (value === undefined) return;
    where.push(condition);
    args.push(value);
  };
  fits("run = ?", run);
  fits("spec = ?", spec);
  fits("id IN (SELECT value FROM json_each(?))", ids && JSON.stringify(ids));
  const statement = db.prepare(`
    SELECT run_id, dead_letters.* FROM dead_letters JOIN runs ON number = run
    WHERE ${where.join(" AND ")} ORDER BY id LIMIT ?`);
  return statement.all(...args, limit).map((row) => letterOfRow(row, file));
}

function letterOfRow(read: unknown, file: string): DeadLetterEntry {
  const row = read as LetterRow;
  const letter: DeadLetterEntry = {
    id: row.id,
    runId: row.run_id,
    spec: row.spec,
    kind: row.kind,
    points: row.points,
    reason: row.reason,
    from: { position: row.from_position, offset: row.from_offset },
    to: { position: row.to_position, offset: row.to_offset },
    atUs: row.at_us,
  };
  if (rowOfLetter(row.run, letter, row.at_us).at(-1) !== row.crc) {
    throw refusalOf(corrupt(`the dead letter ${row.id} of run ${row.run_id} is not as it was saved`, file));
  }
  return letter;
}
