import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { type CheckedFrame, checkBody } from "./checksum.ts";
import { corrupt, Refusal, refusalOf } from "./faults.ts";
import { migrate } from "./migrate.ts";
import { outsideDamage } from "./raw/outside.ts";
import { APPLICATION_ID, PAGE_SIZE, SCHEMA_VERSION, TABLES } from "./tables.ts";

/** How long to wait for a lock that another process holds, milliseconds. */
const BUSY_TIMEOUT_MS = 5_000;

/** Opens the journal for writing; makes it when there is none. The file is readable by its owner alone. */
export function openForWriting(file: string): DatabaseSync {
  closeSync(openSync(file, "a", 0o600));
  refuseDamaged(file);
  const db = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    // Size and vacuum take effect on a new file only; the latter lets pruning give space back in small steps.
    db.exec(`PRAGMA page_size = ${PAGE_SIZE}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA cache_size = -2048`);
    refuseForeign(db, file);
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 33554432");
    createTables(db);
    checkEnds(db, file);
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

function refuseDamaged(file: string): void {
  const damage = outsideDamage(file);
  if (damage !== undefined) throw refusalOf(corrupt(damage, file));
}

function refuseForeign(db: DatabaseSync, file: string): void {
  const version = numberOf(db, "PRAGMA user_version");
  if (numberOf(db, "PRAGMA application_id") !== APPLICATION_ID) {
    if (numberOf(db, "SELECT count(*) FROM sqlite_schema") === 0) return;
    throw refusalOf(corrupt("it is an SQLite file of another program", file));
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
    const version = numberOf(db, "PRAGMA user_version");
    if (version === 0) db.exec(TABLES);
    else if (version < SCHEMA_VERSION) migrate(db, version, nowUs());
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** The cheapest look inside: the sums are there, and the last frame is what was journaled. */
function checkEnds(db: DatabaseSync, file: string): void {
  if (numberOf(db, "SELECT count(*) FROM totals") !== 1) {
    throw refusalOf(corrupt("its totals are not there", file));
  }
  const last = db.prepare(`
    SELECT position, run_id AS runId, body, crc FROM frames LEFT JOIN runs ON number = run
    ORDER BY position DESC LIMIT 1`);
  const frame = last.get() as (CheckedFrame & { readonly runId: string | null }) | undefined;
  if (frame !== undefined) checkBody(frame, frame.runId ?? "that is not there", file);
}

/** Unix microseconds by this machine's clock, which may go back. */
export function nowUs(): number {
  return Date.now() * 1000;
}

/** The one number that a statement answers. */
export function numberOf(db: DatabaseSync, sql: string): number {
  return Number(Object.values(db.prepare(sql).get() ?? {})[0]);
}
