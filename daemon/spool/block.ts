/** Reads the entries of a ring's block. docs/ring.md, "Entries". */
import { crc32 } from "node:zlib";
import { Record } from "@pipekit/proto";
import { BLOCK_HEADER_BYTES, isZero } from "./ring-file.ts";

const KEYS = 1;
const ROW = 2;
const FACT = 3;
const HELD = 4;
const TAIL_BYTES = 8;
/** Where keys and facts begin, behind size, word and their count or length. */
const CONTENT_AT = 16;
const ROW_OVERHEAD = 32;

/** One log() call. `keys` is one array for all rows of a key set in a block; `values` are float64. */
export interface KeptRow {
  readonly kind: "row";
  readonly keys: readonly string[];
  readonly step: bigint;
  readonly timeUs: bigint;
  readonly values: Buffer;
}

/** What a block holds. A `held` row was in the memory of the dead process alone. */
export type BlockItem =
  | KeptRow
  | { readonly kind: "fact"; readonly record: Record; readonly bytes: number }
  | { readonly kind: "held"; readonly points: number }
  | { readonly kind: "torn" | "damaged" };

/**
 * The items behind `from`, in order. `torn` ends a block whose last entry was copied in part, by a log() that has not
 * returned; `damaged` one with something behind the entry that cannot be read.
 */
export function* blockItems(bytes: Buffer, from: number): Generator<BlockItem> {
  const keySets = new Map<number, readonly string[]>();
  let offset = BLOCK_HEADER_BYTES;
  while (offset + 8 <= bytes.length) {
    const size = bytes.readUInt32LE(offset);
    const word = bytes.readUInt32LE(offset + 4);
    if (size === 0 && word === 0) {
      if (!isZero(bytes.subarray(offset))) yield { kind: "damaged" };
      return;
    }
    const item = isWhole(bytes, offset, size)
      ? readItem(bytes.subarray(offset, offset + size - TAIL_BYTES), word, keySets)
      : undefined;
    if (item === undefined) {
      yield { kind: isZero(bytes.subarray(offset + Math.max(size, 8))) ? "torn" : "damaged" };
      return;
    }
    if (item !== "keys" && offset >= from) yield item;
    offset += size;
  }
}

function isWhole(bytes: Buffer, offset: number, size: number): boolean {
  if (size < 16 || size % 8 !== 0 || offset + size > bytes.length) return false;
  const tail = offset + size - TAIL_BYTES;
  return (
    crc32(bytes.subarray(offset, tail)) === bytes.readUInt32LE(tail) && bytes.readUInt32LE(tail + 4) === 0
  );
}

/** An entry without its tail. */
function readItem(
  entry: Buffer,
  word: number,
  keySets: Map<number, readonly string[]>,
): BlockItem | "keys" | undefined {
  const number = word & 0xff_ffff;
  switch (word >>> 24) {
    case KEYS: {
      const keys = readKeys(entry);
      if (keys === undefined) return undefined;
      keySets.set(number, keys);
      return "keys";
    }
    case ROW: {
      const keys = keySets.get(number);
      if (keys === undefined || entry.length + TAIL_BYTES !== ROW_OVERHEAD + 8 * keys.length)
        return undefined;
      const timeUs = entry.readBigInt64LE(16) / 1000n;
      return { kind: "row", keys, step: entry.readBigInt64LE(8), timeUs, values: entry.subarray(24) };
    }
    case FACT: {
      const record = readRecord(entry);
      return record && { kind: "fact", record, bytes: entry.length };
    }
    case HELD:
      return { kind: "held", points: number };
    default:
      return undefined;
  }
}

function readKeys(entry: Buffer): readonly string[] | undefined {
  if (entry.length < CONTENT_AT) return undefined;
  const count = Number(entry.readBigUInt64LE(8));
  const keys: string[] = [];
  let at = CONTENT_AT;
  while (keys.length < count) {
    if (at + 2 > entry.length) return undefined;
    const end = at + 2 + entry.readUInt16LE(at);
    if (end > entry.length) return undefined;
    keys.push(entry.toString("utf8", at + 2, end));
    at = end;
  }
  return keys;
}

function readRecord(entry: Buffer): Record | undefined {
  if (entry.length < CONTENT_AT) return undefined;
  const length = Number(entry.readBigUInt64LE(8));
  if (CONTENT_AT + length > entry.length) return undefined;
  try {
    return Record.decode(entry.subarray(CONTENT_AT, CONTENT_AT + length));
  } catch {
    return undefined;
  }
}
