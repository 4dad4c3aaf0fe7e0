import { copyFileSync, mkdtempSync, rmSync, type Stats, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { corrupt, type Fault, Refusal, refusalOf, toFault } from "../faults.ts";
import { outsideDamage } from "../raw/outside.ts";
import { numberOf, openForReading, openForWriting } from "../schema.ts";
import { APPLICATION_ID, SCHEMA_VERSION } from "../tables.ts";

/**
 * Another daemon's journal file, opened the gentlest way that it allows:
 * - with a log, or where somebody may have it open: as any reader, beside its writer;
 * - without a log: as a file that does not change (nothing is created beside it, so that a read-only mount will do), and
 *   anew when it did change;
 * - with a log where nothing can be created beside it, or of an older version: a private copy.
 */
export class ForeignFile {
  readonly #file: string;
  #db: DatabaseSync | undefined;
  /** The file as it was when it was opened as one that does not change. */
  #still: Stats | undefined;
  #copy: string | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** The open database, and whether it is another one than before. Throws Refusal and SQLite's errors. */
  open(): { readonly db: DatabaseSync; readonly fresh: boolean } {
    if (this.#db !== undefined && !this.#hasMoved()) return { db: this.#db, fresh: false };
    this.close();
    const db = this.#openAny();
    this.#db = db;
    return { db, fresh: true };
  }

  close(): void {
    this.#db?.close();
    this.#db = undefined;
    this.#still = undefined;
    if (this.#copy !== undefined) rmSync(this.#copy, { recursive: true, force: true });
    this.#copy = undefined;
  }

  #hasMoved(): boolean {
    if (this.#still === undefined) return false;
    const now = statSync(this.#file);
    return this.#hasLog() || now.mtimeMs !== this.#still.mtimeMs || now.size !== this.#still.size;
  }

  #hasLog(): boolean {
    return sizeOf(`${this.#file}-wal`) > 0;
  }

  #openAny(): DatabaseSync {
    const damage = outsideDamage(this.#file);
    if (damage !== undefined) throw this.#damaged(damage);
    const inUse = sizeOf(`${this.#file}-shm`) > 0;
    const db = this.#openAsItIs(inUse);
    if (this.#versionOf(db) === SCHEMA_VERSION) return this.#checked(db);
    db.close();
    if (inUse && this.#still === undefined) throw tooOld(this.#file);
    return this.#checked(this.#openCopy());
  }

  #openAsItIs(inUse: boolean): DatabaseSync {
    if (!inUse && !this.#hasLog()) {
      this.#still = statSync(this.#file);
      const url = pathToFileURL(this.#file);
      url.searchParams.set("immutable", "1");
      return new DatabaseSync(url, { readOnly: true });
    }
    try {
      const db = openForReading(this.#file);
      try {
        numberOf(db, "PRAGMA user_version");
        return db;
      } catch (error) {
        db.close();
        throw error;
      }
    } catch (error) {
      // The index of the log can be made neither beside the file nor, for a reader, in memory.
      if (toFault(error, this.#file).code !== "UNSAFE_FOLDER") throw error;
      return this.#openCopy();
    }
  }

  /** Copies file and log to a folder of our own, and brings the copy to the present version. */
  #openCopy(): DatabaseSync {
    this.#still = undefined;
    this.#copy = mkdtempSync(join(tmpdir(), "pkx-foreign-"));
    const copy = join(this.#copy, "journal.db");
    copyFileSync(this.#file, copy);
    if (this.#hasLog()) copyFileSync(`${this.#file}-wal`, `${copy}-wal`);
    return openForWriting(copy);
  }

  #versionOf(db: DatabaseSync): number {
    try {
      return checkVersion(db, this.#file);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** Closes what is not sound. */
  #checked(db: DatabaseSync): DatabaseSync {
    try {
      const [first] = db.prepare("PRAGMA integrity_check(1)").all();
      const text = String(first?.["integrity_check"]);
      if (text !== "ok") throw this.#damaged(text.replaceAll("\n", " "));
      return db;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  #damaged(detail: string): Refusal {
    return refusalOf(foreignFault(corrupt(detail, this.#file)));
  }
}

/** Tells what to do about a journal of which this daemon is not the owner. */
export function foreignFault(fault: Fault): Fault {
  if (fault.code !== "CORRUPT_JOURNAL") return fault;
  return {
    ...fault,
    mend: "Copy the folder again while its daemon is stopped, or use `pkx journal salvage` on the copy.",
  };
}

/** The version of a journal that can be read here, perhaps after migration. */
function checkVersion(db: DatabaseSync, file: string): number {
  if (numberOf(db, "PRAGMA application_id") !== APPLICATION_ID) {
    throw new Refusal("INVALID_ARGUMENT", `The file ${file} is no journal.`, {
      field: file,
      mend: "Name the state folder of a daemon that has run.",
    });
  }
  const version = numberOf(db, "PRAGMA user_version");
  if (version <= SCHEMA_VERSION) return version;
  throw new Refusal(
    "INVALID_ARGUMENT",
    `The journal ${file} was written by a newer daemon (journal version ${version}).`,
    { field: file, mend: "Use the newer daemon to read it." },
  );
}

function tooOld(file: string): Refusal {
  return new Refusal(
    "INVALID_ARGUMENT",
    `The journal ${file} is of an older version and may be in use by its daemon.`,
    { field: file, mend: "Stop that daemon first." },
  );
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
