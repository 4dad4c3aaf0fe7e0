import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { corrupt, Refusal } from "./faults.ts";

/** Version of the tables below, kept in `PRAGMA user_version`. */
const SCHEMA_VERSION = 1;
/** "pkxj": tells a journal from another program's SQLite file. */
const APPLICATION_ID = 0x706b786a;
/** How long to wait for a lock that another process holds, milliseconds. */
const BUSY_TIMEOUT_MS = 5_000;

/*
 * A frame's body is kept as it came; the other tables say in O(runs) or O(keys) what it would take O(points) to find
 * in the bodies, and change in the same transaction. NaN is NULL: SQLite knows no NaN.
 */
const SCHEMA = `
CREATE TABLE runs (
  number INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  start TEXT NOT NULL,
  started_at_us INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'running',
  reason TEXT NOT NULL DEFAULT '',
  ended_at_us INTEGER NOT NULL DEFAULT 0,
  points INTEGER NOT NULL DEFAULT 0,
  last_position INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX runs_by_start ON runs (started_at_us, number);
CREATE TABLE writers (
  writer_id TEXT PRIMARY KEY,
  run INTEGER NOT NULL,
  last_seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE frames (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER NOT NULL,
  writer_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  points INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX frames_by_run ON frames (run, position);
CREATE TABLE series (
  run INTEGER NOT NULL,
  key TEXT NOT NULL,
  points INTEGER NOT NULL,
  last_step INTEGER NOT NULL,
  last_value REAL,
  min_value REAL,
  max_value REAL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE tags (
  run INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE params (
  run INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE artifacts (
  number INTEGER PRIMARY KEY, run INTEGER NOT NULL, artifact TEXT NOT NULL
) STRICT;
CREATE INDEX artifacts_by_run ON artifacts (run, number);
CREATE TABLE sinks (
  run INTEGER NOT NULL,
  spec TEXT NOT NULL,
  open INTEGER NOT NULL,
  cursor_position INTEGER NOT NULL,
  cursor_offset INTEGER NOT NULL,
  points_sent INTEGER NOT NULL,
  points_dead INTEGER NOT NULL,
  state TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (run, spec)
) STRICT, WITHOUT ROWID;
CREATE INDEX sinks_open ON sinks (run) WHERE open = 1;
CREATE TABLE dead_letters (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER NOT NULL,
  spec TEXT NOT NULL,
  kind TEXT NOT NULL,
  points INTEGER NOT NULL,
  reason TEXT NOT NULL,
  from_position INTEGER NOT NULL,
  from_offset INTEGER NOT NULL,
  to_position INTEGER NOT NULL,
  to_offset INTEGER NOT NULL,
  at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letters_by_run ON dead_letters (run, id);
CREATE TABLE totals (
  frames INTEGER NOT NULL,
  points INTEGER NOT NULL,
  runs INTEGER NOT NULL,
  runs_running INTEGER NOT NULL,
  dead_letters INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (0, 0, 0, 0, 0);
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** Opens the journal for writing; makes it when there is none. The file is readable by its owner alone. */
export function openForWriting(file: string): DatabaseSync {
  closeSync(openSync(file, "a", 0o600));
  const db = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    // Bodies are long: large pages mean short overflow chains. Takes effect on a new file only.
    db.exec("PRAGMA page_size = 8192; PRAGMA cache_size = -2048");
    refuseForeign(db, file);
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 33554432");
    createTables(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Opens the journal for reading. The writer has made it before. */
export function openForReading(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
  db.exec("PRAGMA cache_size = -2048");
  return db;
}

function refuseForeign(db: DatabaseSync, file: string): void {
  const version = numberOf(db, "PRAGMA user_version");
  if (numberOf(db, "PRAGMA application_id") !== APPLICATION_ID) {
    if (numberOf(db, "SELECT count(*) FROM sqlite_schema") === 0) return;
    const { code, message, ...options } = corrupt("it is an SQLite file of another program", file);
    throw new Refusal(code, message, options);
  }
  if (version > SCHEMA_VERSION) {
    throw new Refusal(
      "INVALID_DAEMON_CONFIG",
      `The journal ${file} was written by a newer daemon (journal version ${version}; this one reads up to ${SCHEMA_VERSION}).`,
      { field: file, mend: "Use the newer daemon, or another state folder (`--state-dir`)." },
    );
  }
}

function createTables(db: DatabaseSync): void {
  if (numberOf(db, "PRAGMA user_version") === SCHEMA_VERSION) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    // Another process may have made them while this one waited for the lock.
    if (numberOf(db, "PRAGMA user_version") === 0) db.exec(SCHEMA);
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

function numberOf(db: DatabaseSync, sql: string): number {
  return Number(Object.values(db.prepare(sql).get() ?? {})[0]);
}
