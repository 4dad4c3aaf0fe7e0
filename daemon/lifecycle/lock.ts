import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";

/**
 * The daemon's lock on its state folder: an exclusive transaction on a SQLite file, so a lock of the kernel that
 * vanishes with the process, however it ends.
 */
export class StateLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Takes the lock, or returns undefined when another process holds it. */
  static take(file: string): StateLock | undefined {
    const database = new DatabaseSync(file, { timeout: 0 });
    try {
      // The rollback journal would be a second file; nothing is ever written.
      database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
      return new StateLock(database);
    } catch (error) {
      database.close();
      if (isBusy(error)) return undefined;
      throw error;
    }
  }

  release(): void {
    this.#database.close();
  }
}

const SQLITE_BUSY = 5;

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY;
}

/** Who holds the lock, as it says of itself beside the lock; may be out of date when nobody holds it. */
export interface DaemonInfo {
  readonly pid: number;
  readonly endpoint: string;
  readonly version: string;
  readonly startedAtUs: number;
}

const Info = z.object({
  pid: z.number(),
  endpoint: z.string(),
  version: z.string(),
  startedAtUs: z.number(),
});

/** Reads the file beside the lock; undefined when there is none or it is unreadable. */
export function readDaemonInfo(file: string): DaemonInfo | undefined {
  try {
    return Info.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}

export function writeDaemonInfo(file: string, info: DaemonInfo): void {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(info)}\n`, { mode: 0o600 });
  renameSync(draft, file);
}
