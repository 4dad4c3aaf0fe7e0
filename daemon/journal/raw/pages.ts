import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { PAGE_SIZE } from "../tables.ts";
import { type Log, type LogPage, readLog } from "./log.ts";

/** What SQLite writes at the beginning of a database. */
export const MAGIC = Buffer.from("SQLite format 3\0");
/** Bytes of the header of a database. */
export const HEADER = 100;
/** Pages read at a time by a walk through the file. */
const READ_AHEAD = 32;

/** The header of a database file, as far as it says how long the file has to be. */
export interface FileHeader {
  readonly pageSize: number;
  /** Pages of the database when the header was written; 0 when the header does not say. */
  readonly pages: number;
  /** Page of the first trunk of free pages; 0 for none. */
  readonly firstFree: number;
}

/** Undefined when these bytes are no header. */
export function parseHeader(bytes: Buffer): FileHeader | undefined {
  if (bytes.length < HEADER || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const pageSize = bytes.readUInt16BE(16) === 1 ? 65_536 : bytes.readUInt16BE(16);
  if (pageSize < 512 || (pageSize & (pageSize - 1)) !== 0) return undefined;
  const valid = bytes.readUInt32BE(24) === bytes.readUInt32BE(92);
  return { pageSize, pages: valid ? bytes.readUInt32BE(28) : 0, firstFree: bytes.readUInt32BE(32) };
}

/** The pages of a database file as they are with its log, read as bytes: no damage keeps the others from being read. */
export class PageFile {
  readonly pageSize: number;
  /** Pages that the file and its log hold. */
  readonly count: number;
  readonly log: Log | undefined;
  readonly #database: number;
  readonly #log: number | undefined;
  /** Page to its place in the log. */
  readonly #inLog = new Map<number, number>();

  /** Throws what opening and reading files throws. */
  constructor(path: string) {
    this.#database = openSync(path, "r");
    try {
      const size = fstatSync(this.#database).size;
      const header = Buffer.alloc(HEADER);
      readSync(this.#database, header, 0, HEADER, 0);
      this.log = readLog(`${path}-wal`);
      this.#log = this.log === undefined ? undefined : openSync(`${path}-wal`, "r");
      const logged = this.log !== undefined && this.log.pages.length > 0 ? this.log.pageSize : undefined;
      this.pageSize = parseHeader(header)?.pageSize ?? logged ?? PAGE_SIZE;
      this.count = Math.ceil(size / this.pageSize);
      for (const { page, at } of this.log?.pageSize === this.pageSize ? usable(this.log) : []) {
        this.#inLog.set(page, at);
        this.count = Math.max(this.count, page);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Page `number` (the first is 1); undefined when it lies outside, zeros where the file ends within it or cannot be read. */
  read(number: number): Buffer | undefined {
    if (!(number >= 1 && number <= this.count)) return undefined;
    const page = Buffer.alloc(this.pageSize);
    const at = this.#inLog.get(number);
    if (at !== undefined && this.#log !== undefined) fill(this.#log, page, at);
    else fill(this.#database, page, (number - 1) * this.pageSize);
    return page;
  }

  /** All pages, in order. */
  *all(): Generator<readonly [number: number, page: Buffer]> {
    for (let first = 1; first <= this.count; first += READ_AHEAD) {
      const many = Buffer.alloc(READ_AHEAD * this.pageSize);
      fill(this.#database, many, (first - 1) * this.pageSize);
      for (let i = 0; i < READ_AHEAD && first + i <= this.count; i++) {
        const logged = this.#inLog.has(first + i) ? this.read(first + i) : undefined;
        yield [first + i, logged ?? many.subarray(i * this.pageSize, (i + 1) * this.pageSize)];
      }
    }
  }

  close(): void {
    closeSync(this.#database);
    if (this.#log !== undefined) closeSync(this.#log);
  }
}

/**
 * The pages of a log that count. Behind damage, those that fit were committed too; behind the last commit of a sound log
 * stands what was acknowledged to nobody.
 */
function usable({ pages, taken, damaged }: Log): readonly LogPage[] {
  if (!damaged) return pages.slice(0, taken);
  const end = pages.findLastIndex(({ fits, commit }) => fits && commit > 0) + 1;
  return pages.slice(0, end).filter(({ fits }) => fits);
}

/** Reads as much of `into` as there is; a page that the disk cannot read any more stays zeros. */
function fill(file: number, into: Buffer, at: number): void {
  for (let done = 0; done < into.length; ) {
    try {
      const read = readSync(file, into, done, into.length - done, at + done);
      if (read === 0) return;
      done += read;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EIO")) throw error;
      if (into.length <= 512) return;
      // Around a place that cannot be read, smaller pieces may be.
      const half = Math.max(512, Math.floor((into.length - done) / 2));
      for (let from = done; from < into.length; from += half)
        fill(file, into.subarray(from, from + half), at + from);
      return;
    }
  }
}
