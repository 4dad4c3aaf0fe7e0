import type { DatabaseSync } from "node:sqlite";
import { rowCrc } from "./checksum.ts";
import { MEMBERS, SCHEMA_VERSION } from "./tables.ts";

/**
 * Brings the tables of an older version to the present version, within the caller's transaction. The bodies of frames
 * stay as they lie: rewriting them would take the journal's size once more, and vouch for what was never checked.
 * `nowUs` counts as the time at which frames of version 1 were journaled, so that the lag of a sink starts from it.
 */
export function migrate(db: DatabaseSync, version: number, nowUs: number): void {
  if (version < 2) toVersion2(db, nowUs);
  if (version < 3) toVersion3(db);
  if (version < 4) toVersion4(db);
  db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
}

function toVersion2(db: DatabaseSync, nowUs: number): void {
  db.function("row_crc", { varargs: true, deterministic: true }, (...values) => rowCrc(...values));
  db.exec(`
    ALTER TABLE runs ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE runs ADD COLUMN pruned_at_us INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE runs ADD COLUMN seal INTEGER;
    CREATE INDEX runs_to_clear ON runs (number) WHERE pruned_at_us > 0 AND bytes > 0;
    UPDATE runs SET bytes = (SELECT ifnull(sum(length(body)), 0) FROM frames WHERE run = number);
    ALTER TABLE frames ADD COLUMN crc INTEGER;
    ALTER TABLE frames ADD COLUMN at_us INTEGER NOT NULL DEFAULT ${nowUs};
    DROP INDEX frames_by_run;
    CREATE INDEX frames_by_run ON frames (run, position, at_us);
    ALTER TABLE writers ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
    UPDATE writers SET crc = row_crc(writer_id, run, last_seq);
    ALTER TABLE sinks ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
    UPDATE sinks SET crc = row_crc(
      run, spec, open, cursor_position, cursor_offset, points_sent, points_dead, state, detail);
    ALTER TABLE dead_letters ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
    UPDATE dead_letters SET crc = row_crc(
      run, spec, kind, points, reason, from_position, from_offset, to_position, to_offset, at_us);
  `);
}

/** A daemon of version 2 would take the first end of a resumed run for the last: it must not read such a journal. */
function toVersion3(db: DatabaseSync): void {
  db.exec("ALTER TABLE runs ADD COLUMN resume TEXT NOT NULL DEFAULT ''");
}

/** A daemon of version 3 would take the end of one member of a group for the end of the run. */
function toVersion4(db: DatabaseSync): void {
  db.exec(`
    ALTER TABLE runs ADD COLUMN group_id TEXT NOT NULL DEFAULT '';
    ALTER TABLE writers ADD COLUMN at_us INTEGER NOT NULL DEFAULT 0;
    ${MEMBERS}
  `);
}
