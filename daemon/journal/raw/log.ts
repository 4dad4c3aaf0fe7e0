import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { PAGE_SIZE } from "../tables.ts";

/**
 * SQLite's write-ahead log as bytes. A header of 32 bytes, then for each written page a header of 24 bytes and the
 * page. The checksum of each frame continues that of the one before, so that SQLite ends at the first one that does
 * not fit, and silently forgets what stands behind it.
 */

const HEADER = 32;
const FRAME_HEADER = 24;
const MAGIC = 0x377f0682;

/** One page in the log. */
export interface LogPage {
  readonly page: number;
  /** Where its content begins in the log file. */
  readonly at: number;
  /** Pages of the database after the commit that this one ends; 0 when it ends none. */
  readonly commit: number;
  /** The checksum fits the one stored with the page before. */
  readonly fits: boolean;
}

/** What a log holds of its present round. */
export interface Log {
  readonly pageSize: number;
  /** In the order of writing; without pages of earlier rounds, which are in the database. */
  readonly pages: readonly LogPage[];
  /** How many of the pages SQLite takes: up to the last commit before the first page that does not fit. */
  readonly taken: number;
  /** A page that does not fit stands before a later commit, so that something acknowledged is damaged. */
  readonly damaged: boolean;
  /** Something stands behind the last commit taken that is no rest of an earlier round: mostly what no one acknowledged. */
  readonly torn: boolean;
}

/** Reads a log; undefined when there is none or it is empty. Throws what reading a file throws. */
export function readLog(path: string): Log | undefined {
  const file = openIfThere(path);
  if (file === undefined) return undefined;
  try {
    const size = fstatSync(file).size;
    if (size === 0) return undefined;
    return readPages(file, size);
  } finally {
    closeSync(file);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function readPages(file: number, size: number): Log {
  const header = Buffer.alloc(HEADER);
  readSync(file, header, 0, HEADER, 0);
  const bigEndian = header.readUInt32BE(0) === MAGIC + 1;
  const isMagic = bigEndian || header.readUInt32BE(0) === MAGIC;
  const [sum1, sum2] = checksum(header.subarray(0, 24), [0, 0], bigEndian);
  const seed = [header.readUInt32BE(24), header.readUInt32BE(28)] as const;
  const sound = isMagic && sum1 === seed[0] && sum2 === seed[1];
  const pageSize = isPageSize(header.readUInt32BE(8)) ? header.readUInt32BE(8) : PAGE_SIZE;
  const frame = Buffer.alloc(FRAME_HEADER + pageSize);
  const salts = Buffer.from(header.subarray(16, 24));
  // The first page is always of the present round.
  if (!sound) readSync(file, salts, 0, salts.length, HEADER + 8);
  const pages: LogPage[] = [];
  let before: readonly [number, number] = seed;
  let whole = sound;
  let taken = 0;
  for (let at = HEADER; at + frame.length <= size; at += frame.length) {
    readSync(file, frame, 0, frame.length, at);
    const stored = [frame.readUInt32BE(16), frame.readUInt32BE(20)] as const;
    const salted = frame.compare(salts, 0, 8, 8, 16) === 0;
    const begun = checksum(frame.subarray(0, 8), before, bigEndian);
    const [a, b] = checksum(frame.subarray(FRAME_HEADER), begun, bigEndian);
    const fits = salted && a === stored[0] && b === stored[1];
    before = stored;
    whole &&= fits;
    if (!salted) continue;
    const commit = frame.readUInt32BE(4);
    pages.push({ page: frame.readUInt32BE(0), at: at + FRAME_HEADER, commit, fits });
    if (whole && commit > 0) taken = pages.length;
  }
  // SQLite writes and syncs the header before the first page: with a page that fits behind it, it was whole once.
  const damaged = sound ? isDamaged(pages, taken) : pages.some(({ fits }) => fits);
  return { pageSize, pages, taken, damaged, torn: pages.length > taken };
}

function isPageSize(size: number): boolean {
  return size >= 512 && size <= 65_536 && (size & (size - 1)) === 0;
}

/**
 * Behind the pages taken, a torn commit has nothing that fits behind its last page, since SQLite begins a commit only
 * when the one before is synced. Pages that fit behind a commit tell that it was synced once.
 */
function isDamaged(pages: readonly LogPage[], taken: number): boolean {
  return pages.some(({ fits }, i) => i > taken && fits && (pages[i - 1]?.commit ?? 0) > 0);
}

/** SQLite's checksum over 32-bit words, in pairs, continued from `from`. */
function checksum(
  bytes: Buffer,
  [from1, from2]: readonly [number, number],
  bigEndian: boolean,
): readonly [number, number] {
  let sum1 = from1;
  let sum2 = from2;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < bytes.length; i += 8) {
    sum1 = (sum1 + view.getUint32(i, !bigEndian) + sum2) >>> 0;
    sum2 = (sum2 + view.getUint32(i + 4, !bigEndian) + sum1) >>> 0;
  }
  return [sum1, sum2];
}
