/** The frame around each event: uint64 length, its masked CRC-32C, the data, its masked CRC-32C; little endian. */
import { type FileHandle, open } from "node:fs/promises";
import { maskedCrc32c } from "./crc32c.ts";

/** Bytes before and after the data of a record. */
const HEAD = 12;
const FOOT = 4;
const CHUNK_BYTES = 4 * 1024 * 1024;
/** A longer record is taken as damage: none of ours comes near. */
const LONGEST_RECORD = 256 * 1024 * 1024;

/** A buffer of records that grows. The room for a record is reserved, filled and sealed. */
export class RecordBuffer {
  bytes: Buffer;
  /** Where the data of the record under way is written next. */
  at = 0;
  #start = 0;

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafe(Math.max(64, capacity));
  }

  /** Begins a record whose data takes at most `most` bytes; the caller writes it from `at` on, and moves `at`. */
  begin(most: number): void {
    this.#start = this.at;
    const needed = this.at + HEAD + most + FOOT;
    if (needed > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2));
      this.bytes.copy(larger, 0, 0, this.at);
      this.bytes = larger;
    }
    this.at += HEAD;
  }

  /** Ends the record that was begun. */
  end(): void {
    const start = this.#start;
    const { bytes, at } = this;
    bytes.writeUInt32LE(at - start - HEAD, start);
    bytes.writeUInt32LE(0, start + 4);
    bytes.writeUInt32LE(maskedCrc32c(bytes, start, start + 8), start + 8);
    bytes.writeUInt32LE(maskedCrc32c(bytes, start + HEAD, at), at);
    this.at += FOOT;
  }

  /** Adds a record of these bytes. */
  add(data: Uint8Array): void {
    this.begin(data.length);
    this.bytes.set(data, this.at);
    this.at += data.length;
    this.end();
  }

  /** What was written, without a copy. */
  written(): Buffer {
    return this.bytes.subarray(0, this.at);
  }
}

/**
 * Calls `visit` with the data of each whole record from the start of the file (valid during the call only), and
 * returns the bytes they take: what follows is torn or damaged, and readers stop there too. Throws faults of the file
 * system and the reason of an abort.
 */
export async function readRecords(
  path: string,
  visit: (data: Buffer) => void,
  signal: AbortSignal,
): Promise<number> {
  const chunks = recordChunks(path, visit, signal);
  for (;;) {
    const { done, value } = await chunks.next();
    if (done) return value;
  }
}

/** As `readRecords`, with a pause for the caller behind each chunk of the file, of about `chunkBytes`. */
export async function* recordChunks(
  path: string,
  visit: (data: Buffer) => void,
  signal: AbortSignal,
  chunkBytes = CHUNK_BYTES,
): AsyncGenerator<void, number> {
  const handle = await open(path, "r");
  try {
    return yield* scan(handle, visit, signal, chunkBytes);
  } finally {
    await handle.close();
  }
}

async function* scan(
  handle: FileHandle,
  visit: (data: Buffer) => void,
  signal: AbortSignal,
  chunkBytes: number,
): AsyncGenerator<void, number> {
  const { size } = await handle.stat();
  // One byte more than there is, so that the end is found without another buffer.
  let buffer = Buffer.allocUnsafe(Math.min(chunkBytes, Math.max(HEAD, size + 1)));
  let filled = 0;
  let done = 0;
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, done + filled);
    filled += bytesRead;
    const { used, wanted } = visitWhole(buffer.subarray(0, filled), visit);
    done += used;
    if (bytesRead === 0 || wanted === undefined) return done;
    yield;
    const rest = filled - used;
    const next = wanted > buffer.length ? Buffer.allocUnsafe(wanted) : buffer;
    buffer.copy(next, 0, used, filled);
    buffer = next;
    filled = rest;
  }
}

/** Visits the whole records; `wanted` is what the next one takes, undefined when it is damaged. */
function visitWhole(
  bytes: Buffer,
  visit: (data: Buffer) => void,
): { used: number; wanted: number | undefined } {
  let at = 0;
  for (;;) {
    if (bytes.length - at < HEAD) return { used: at, wanted: HEAD };
    const length = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
    const sound = length <= LONGEST_RECORD && maskedCrc32c(bytes, at, at + 8) === bytes.readUInt32LE(at + 8);
    if (!sound) return { used: at, wanted: undefined };
    const end = at + HEAD + length;
    if (bytes.length < end + FOOT) return { used: at, wanted: HEAD + length + FOOT };
    if (maskedCrc32c(bytes, at + HEAD, end) !== bytes.readUInt32LE(end))
      return { used: at, wanted: undefined };
    visit(bytes.subarray(at + HEAD, end));
    at = end + FOOT;
  }
}
