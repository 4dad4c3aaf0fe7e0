import type { PageFile } from "./pages.ts";

/** Where overflow pages come from. */
type Pages = Pick<PageFile, "count" | "read">;

/** SQLite's pages of rows, and the records in them, read without trust: what makes no sense is left out. */

/** A value of a record; integers beyond 2^53 and reals are numbers too. */
export type Value = null | number | string | Buffer;

/** One record: of a table (then `rowid` is its key), or of an index or a table without rowid. */
export interface RawRecord {
  readonly rowid: number | undefined;
  readonly values: readonly Value[];
}

const INDEX_INTERIOR = 0x02;
const TABLE_INTERIOR = 0x05;
const INDEX_LEAF = 0x0a;
const TABLE_LEAF = 0x0d;

/** Where the b-tree page in `page` begins: page 1 has the header of the file in front. */
function start(number: number): number {
  return number === 1 ? 100 : 0;
}

function isInterior(type: number | undefined): boolean {
  return type === INDEX_INTERIOR || type === TABLE_INTERIOR;
}

/** Whether the outside of a page makes sense: its kind, and where its cells lie. */
export function isWhole(number: number, page: Buffer): boolean {
  const at = start(number);
  const known = isInterior(page[at]) || page[at] === INDEX_LEAF || page[at] === TABLE_LEAF;
  return known && cellPointers(page, at).length === page.readUInt16BE(at + 3);
}

function cellPointers(page: Buffer, at: number): number[] {
  const first = at + (isInterior(page[at]) ? 12 : 8);
  const count = Math.min(page.readUInt16BE(at + 3), Math.floor((page.length - first) / 2));
  return Array.from({ length: count }, (_, i) => page.readUInt16BE(first + i * 2)).filter(
    (pointer) => pointer >= first + count * 2 && pointer < page.length,
  );
}

/** The pages below an interior page. */
export function children(number: number, page: Buffer): number[] {
  const at = start(number);
  if (!isInterior(page[at])) return [];
  const below = cellPointers(page, at).filter((pointer) => pointer + 4 <= page.length);
  return [...below.map((pointer) => page.readUInt32BE(pointer)), page.readUInt32BE(at + 8)];
}

/** Every record of a page that can be read whole. */
export function* recordsOf(file: Pages, number: number, page: Buffer): Generator<RawRecord> {
  const at = start(number);
  const type = page[at];
  if (type !== TABLE_LEAF && type !== INDEX_LEAF && type !== INDEX_INTERIOR) return;
  for (const pointer of cellPointers(page, at)) {
    const record = readCell(file, page, type, pointer);
    if (record !== undefined) yield record;
  }
}

function readCell(file: Pages, page: Buffer, type: number, pointer: number): RawRecord | undefined {
  try {
    const cursor = { bytes: page, at: type === INDEX_INTERIOR ? pointer + 4 : pointer };
    const size = varint(cursor);
    const rowid = type === TABLE_LEAF ? varint(cursor) : undefined;
    const payload = readPayload(file, page, cursor.at, size, type === TABLE_LEAF);
    if (payload === undefined) return undefined;
    const values = decode(payload);
    return values === undefined ? undefined : { rowid, values };
  } catch (error) {
    // Reading beyond the page: the cell is damaged.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The payload of a cell, with what of it stands in overflow pages. */
function readPayload(
  file: Pages,
  page: Buffer,
  at: number,
  size: number,
  table: boolean,
): Buffer | undefined {
  const usable = page.length;
  // No payload is larger than what the file holds.
  if (size > file.count * usable) return undefined;
  const most = table ? usable - 35 : Math.floor(((usable - 12) * 64) / 255) - 23;
  if (size <= most) return at + size <= usable ? page.subarray(at, at + size) : undefined;
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const rest = least + ((size - least) % (usable - 4));
  const local = rest <= most ? rest : least;
  if (at + local + 4 > usable) return undefined;
  const parts = [page.subarray(at, at + local)];
  let next = page.readUInt32BE(at + local);
  for (let left = size - local; left > 0; ) {
    const overflow = file.read(next);
    if (overflow === undefined) return undefined;
    const part = overflow.subarray(4, 4 + Math.min(left, usable - 4));
    parts.push(part);
    left -= part.length;
    next = overflow.readUInt32BE(0);
  }
  return Buffer.concat(parts, size);
}

interface ByteCursor {
  readonly bytes: Buffer;
  at: number;
}

/** Throws RangeError at the end of the bytes. */
function varint(cursor: ByteCursor): number {
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const byte = cursor.bytes.readUInt8(cursor.at++);
    value = value * 128 + (byte & 127);
    if (byte < 128) return value;
  }
  return value * 256 + cursor.bytes.readUInt8(cursor.at++);
}

/** Bytes of an integer or real by its serial type. */
const WIDTHS = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0] as const;

function decode(payload: Buffer): Value[] | undefined {
  const header = { bytes: payload, at: 0 };
  const headerSize = varint(header);
  if (headerSize > payload.length) return undefined;
  const types: number[] = [];
  while (header.at < headerSize) types.push(varint(header));
  if (header.at !== headerSize) return undefined;
  const values: Value[] = [];
  let at = headerSize;
  for (const type of types) {
    const width = type >= 12 ? (type - 12 - (type % 2)) / 2 : WIDTHS[type];
    if (width === undefined || at + width > payload.length) return undefined;
    values.push(readValue(type, payload.subarray(at, at + width)));
    at += width;
  }
  return at === payload.length ? values : undefined;
}

function readValue(type: number, bytes: Buffer): Value {
  if (type === 0) return null;
  if (type === 8 || type === 9) return type - 8;
  if (type === 7) return bytes.readDoubleBE(0);
  if (type >= 12) return type % 2 === 0 ? bytes : bytes.toString();
  if (bytes.length === 8) return Number(bytes.readBigInt64BE(0));
  return bytes.readIntBE(0, bytes.length);
}
