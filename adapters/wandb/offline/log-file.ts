/**
 * The frame of a `.wandb` file: a header of 7 bytes, then records in chunks that never cross a block of 32 KiB. A chunk
 * is uint32 CRC-32 (of type and data), uint16 length, uint8 type, data; little endian. What is too short for a chunk's
 * head at the end of a block is zeros.
 */
import { open } from "node:fs/promises";
import { crc32 } from "node:zlib";

const BLOCK = 32 * 1024;
const CHUNK_HEAD = 7;
const FULL = 1;
const FIRST = 2;
const MIDDLE = 3;
const LAST = 4;
const READ_BYTES = 64 * BLOCK;

/** `:W&B`, 0xBEE1, version 0. */
export const FILE_HEADER = Buffer.from([0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0x00]);

/** The bytes that add records to a file of `position` bytes. */
export function frameRecords(records: readonly Uint8Array[], position: number): Buffer {
  const total = records.reduce((sum, { length }) => sum + length, 0);
  const chunks = Math.ceil(total / (BLOCK - CHUNK_HEAD)) + records.length * 2 + 1;
  const bytes = Buffer.allocUnsafe(total + chunks * CHUNK_HEAD * 2);
  let at = 0;
  for (const record of records) {
    for (let taken = 0, isFirst = true, isLast = false; !isLast; ) {
      const room = BLOCK - ((position + at) % BLOCK);
      if (room < CHUNK_HEAD) {
        bytes.fill(0, at, at + room);
        at += room;
        continue;
      }
      const length = Math.min(record.length - taken, room - CHUNK_HEAD);
      isLast = taken + length === record.length;
      bytes.writeUInt16LE(length, at + 4);
      bytes.writeUInt8(isFirst ? (isLast ? FULL : FIRST) : isLast ? LAST : MIDDLE, at + 6);
      bytes.set(record.subarray(taken, taken + length), at + CHUNK_HEAD);
      bytes.writeUInt32LE(crc32(bytes.subarray(at + 6, at + CHUNK_HEAD + length)), at);
      at += CHUNK_HEAD + length;
      taken += length;
      isFirst = false;
    }
  }
  return bytes.subarray(0, at);
}

/**
 * Calls `visit` with each whole record and returns the bytes of the file up to the end of the last one: what follows is
 * torn or damaged. Throws faults of the file system and the reason of an abort.
 */
export async function readLog(
  path: string,
  visit: (record: Uint8Array) => void,
  signal: AbortSignal,
): Promise<number> {
  const chunks = logChunks(path, visit, signal);
  for (;;) {
    const { done, value } = await chunks.next();
    if (done) return value;
  }
}

/** As `readLog`, with a pause for the caller behind each stretch of the file. */
export async function* logChunks(
  path: string,
  visit: (record: Uint8Array) => void,
  signal: AbortSignal,
): AsyncGenerator<void, number> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    const readBytes = Math.min(READ_BYTES, Math.ceil((size + 1) / BLOCK) * BLOCK);
    const buffer = Buffer.allocUnsafe(readBytes);
    const parts: Buffer[] = [];
    let whole = 0;
    for (let start = 0; ; start += readBytes) {
      signal.throwIfAborted();
      const { bytesRead } = await handle.read(buffer, 0, readBytes, start);
      if (start === 0) {
        if (!buffer.subarray(0, Math.min(bytesRead, FILE_HEADER.length)).equals(FILE_HEADER)) return 0;
        whole = FILE_HEADER.length;
      }
      for (let at = start === 0 ? FILE_HEADER.length : 0; at < bytesRead; ) {
        const room = BLOCK - (at % BLOCK);
        if (room < CHUNK_HEAD) {
          at += room;
          continue;
        }
        const data = chunkAt(buffer, at, bytesRead);
        if (data === undefined) return whole;
        const type = buffer.readUInt8(at + 6);
        at += CHUNK_HEAD + data.length;
        if (type === FULL || type === FIRST) parts.length = 0;
        // The buffer is used again before the record's end is read.
        parts.push(type === FULL ? data : Buffer.from(data));
        if (type !== FULL && type !== LAST) continue;
        visit(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts));
        parts.length = 0;
        whole = start + at;
      }
      if (bytesRead < readBytes) return whole;
      yield;
    }
  } finally {
    await handle.close();
  }
}

/** The data of the chunk at `at`; undefined when it is not whole or its checksum is wrong. */
function chunkAt(bytes: Buffer, at: number, size: number): Buffer | undefined {
  if (at + CHUNK_HEAD > size) return undefined;
  const end = at + CHUNK_HEAD + bytes.readUInt16LE(at + 4);
  if (end > size || bytes.readUInt8(at + 6) < FULL || bytes.readUInt8(at + 6) > LAST) return undefined;
  const isSound = crc32(bytes.subarray(at + 6, end)) === bytes.readUInt32LE(at);
  return isSound ? bytes.subarray(at + CHUNK_HEAD, end) : undefined;
}
