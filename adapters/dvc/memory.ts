/**
 * Digests of files that were read before, by device, inode, size and times. DVC keeps such a memory of its own, which is
 * never touched. What is lost of it is computed again.
 */
import { mkdirSync, rmSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { type FileDigest, isSameStamp, type Stamp, stampOf } from "./digest-file.ts";

/**
 * A file system's clock moves in ticks: what was written to in the tick in which it was looked at could be written to
 * again without a trace. Milliseconds, more than a tick of any Linux.
 */
const TICK_MS = 20;
/** Beyond so many, all are forgotten. */
const MOST_FILES = 4_000_000;

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS files (
    device INTEGER, inode INTEGER, size INTEGER, modified INTEGER, changed INTEGER, md5 TEXT, sha256 TEXT,
    PRIMARY KEY (device, inode)
  ) WITHOUT ROWID;`;

/** A file whose digest is to be remembered. */
export interface Remembered {
  readonly path: string;
  readonly digest: FileDigest;
}

export class Memory {
  readonly #folder: string;
  #open: { readonly file: DatabaseSync; readonly find: StatementSync } | undefined;

  /** `folder`: the daemon's, for what can be computed anew. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The digest of a file that looks as it did; undefined when it does not. */
  find(stamp: Stamp): FileDigest | undefined {
    const row = this.#database().find.get(signed(stamp.device), signed(stamp.inode));
    if (row === undefined) return undefined;
    const { size, modified, changed, md5, sha256 } = row;
    const known = { ...stamp, size, modifiedNs: modified, changedNs: changed } as Stamp;
    return isSameStamp(known, stamp) ? { md5: String(md5), sha256: String(sha256), stamp } : undefined;
  }

  /** Remembers files that still look as they did when they were read, or linked, some time ago. */
  async remember(files: readonly Remembered[]): Promise<void> {
    if (files.length === 0) return;
    const settledNs = (BigInt(Date.now()) - BigInt(TICK_MS)) * 1_000_000n;
    const fresh = files.filter(({ digest }) => digest.stamp.changedNs > settledNs);
    const settled = files.filter(({ digest }) => digest.stamp.changedNs <= settledNs);
    if (fresh.length > 0) await setTimeout(TICK_MS * 2);
    for (const one of fresh) if (await looksTheSame(one)) settled.push(one);
    this.#save(settled.map(({ digest }) => digest));
  }

  #save(digests: readonly FileDigest[]): void {
    const { file } = this.#database();
    const put = file.prepare("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)");
    file.exec("BEGIN IMMEDIATE");
    try {
      for (const { md5, sha256, stamp } of digests) {
        const { device, inode, size, modifiedNs, changedNs } = stamp;
        put.run(signed(device), signed(inode), size, modifiedNs, changedNs, md5, sha256);
      }
      file.exec("COMMIT");
    } catch (error) {
      file.exec("ROLLBACK");
      throw error;
    }
  }

  #database() {
    this.#open ??= this.#opened();
    return this.#open;
  }

  #opened() {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const path = join(this.#folder, "dataset-digests.db");
    let file: DatabaseSync;
    try {
      file = openDatabase(path);
    } catch {
      // A damaged memory is no memory.
      for (const tail of ["", "-wal", "-shm"]) rmSync(path + tail, { force: true });
      file = openDatabase(path);
    }
    const find = file.prepare(
      "SELECT size, modified, changed, md5, sha256 FROM files WHERE device = ? AND inode = ?",
    );
    find.setReadBigInts(true);
    return { file, find };
  }
}

function openDatabase(path: string): DatabaseSync {
  const file = new DatabaseSync(path, { timeout: 5000 });
  try {
    file.exec(SCHEMA);
    const count = Number(file.prepare("SELECT count(*) AS count FROM files").get()?.["count"]);
    if (count > MOST_FILES) file.exec("DELETE FROM files");
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** SQLite's numbers have a sign. */
function signed(number: bigint): bigint {
  return BigInt.asIntN(64, number);
}

async function looksTheSame({ path, digest }: Remembered): Promise<boolean> {
  try {
    return isSameStamp(stampOf(await stat(path, { bigint: true })), digest.stamp);
  } catch {
    return false;
  }
}
