import type { DatabaseSync } from "node:sqlite";
import { corrupt, refusalOf } from "./faults.ts";
import { numberOf } from "./schema.ts";
import { sealOf } from "./seal.ts";

/** A slice of clearing holds the thread about this long, milliseconds; commits wait that long at most. */
const SLICE_MS = 5;
/** Pages given back to the file system at a time: about as long. */
const VACUUM_PAGES = 64;
/** The log is moved into the file after so many slices: one large move would take as long as all together. */
const SLICES_A_CHECKPOINT = 4;
const INCREMENTAL = 2;

interface PrunedRun {
  readonly number: number;
  readonly runId: string;
  readonly seal: number | null;
}

/**
 * Clears away the frames of pruned runs and gives their space back to the file system, slice by slice, each slice a
 * transaction of its own: a kill between two of them leaves what the next start goes on with.
 */
export class Clearing {
  readonly #db: DatabaseSync;
  readonly #file: string;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #canShrink: boolean;
  #sealed: number | undefined;
  /** Slices since the log was moved into the file; undefined when all is done. */
  #slices: number | undefined;

  constructor(db: DatabaseSync, file: string) {
    this.#db = db;
    this.#file = file;
    this.#sql = prepare(db);
    this.#canShrink = numberOf(db, "PRAGMA auto_vacuum") === INCREMENTAL;
  }

  /** One slice; false when nothing was left to do. Throws what SQLite throws and CORRUPT_JOURNAL, having undone it. */
  slice(): boolean {
    if (this.#slices === SLICES_A_CHECKPOINT) {
      this.#checkpoint("PASSIVE");
      this.#slices = 0;
      return true;
    }
    const run = this.#sql.next.get() as PrunedRun | undefined;
    if (run !== undefined) {
      this.#checkSeal(run);
      this.#clear(run);
    } else if (this.#canShrink && numberOf(this.#db, "PRAGMA freelist_count") > 0) {
      this.#db.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
    } else {
      // The file itself gets shorter only when the log is moved into it.
      if (this.#slices !== undefined) this.#checkpoint("TRUNCATE");
      this.#slices = undefined;
      return false;
    }
    this.#slices = (this.#slices ?? 0) + 1;
    return true;
  }

  /** A damaged row must not take the frames of a run that nobody pruned. */
  #checkSeal({ number, runId, seal }: PrunedRun): void {
    if (this.#sealed === number) return;
    if (sealOf(this.#db, number) !== seal) {
      throw refusalOf(corrupt(`the row of run ${runId} is not as it was saved`, this.#file));
    }
    this.#sealed = number;
  }

  #clear({ number }: PrunedRun): void {
    const end = performance.now() + SLICE_MS;
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      let frames = 0;
      let left = true;
      while (left && performance.now() < end) {
        left = this.#sql.deleteFrame.run(number).changes === 1;
        if (left) frames++;
      }
      this.#sql.subtract.run(frames);
      if (!left) this.#sql.cleared.run(number);
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  /** A reader in the middle of a question is not waited for: a later checkpoint does what this one could not. */
  #checkpoint(how: "PASSIVE" | "TRUNCATE"): void {
    const waitMs = numberOf(this.#db, "PRAGMA busy_timeout");
    this.#db.exec(`PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(${how}); PRAGMA busy_timeout = ${waitMs}`);
  }
}

function prepare(db: DatabaseSync) {
  return {
    next: db.prepare(`
      SELECT number, run_id AS runId, seal FROM runs WHERE pruned_at_us > 0 AND bytes > 0
      ORDER BY number LIMIT 1`),
    deleteFrame: db.prepare(`
      DELETE FROM frames WHERE position =
        (SELECT position FROM frames WHERE run = ? ORDER BY position LIMIT 1)`),
    subtract: db.prepare("UPDATE totals SET frames = frames - ?"),
    cleared: db.prepare("UPDATE runs SET bytes = 0 WHERE number = ?"),
  };
}
