/** Reads the ring file of a dead writer. docs/ring.md has the format. */
import type { FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { ENTRY_HEADER_BYTES, frameLength, type KeptFrame, readEntry } from "./entries.ts";
import { openRegular, readAt } from "./file.ts";
import { OWNER_BYTES, type Owner, readOwner } from "./owner.ts";

const MAGIC = Buffer.from("PKXRNG1\n", "latin1");
const OWNER_AT = 24;
const WRITER_AT = OWNER_AT + OWNER_BYTES;
const ULID_BYTES = 26;
const CRC_AT = WRITER_AT + 2 * ULID_BYTES;
const HEADER_READ_BYTES = 512;
const WATERMARK_AT = 256;
const WATERMARK_STRIDE = 64;
const WATERMARK_BYTES = 40;
export const BLOCK_HEADER_BYTES = 16;
const MAX_FILE_BYTES = 4 * 1024 ** 3;
const MAX_BLOCK_BYTES = 64 * 1024 ** 2;

/** Up to where rows are in frames. */
export interface Watermark {
  /** Number of a block: all earlier ones are in frames as a whole. */
  readonly ordinal: number;
  /** Where the rows in that block begin that are in no frame. */
  readonly offset: number;
  /** Number of the last frame. */
  readonly lastSeq: number;
}

/** A block of entries; `ordinal` is its place in the chain, 0 when its header is damaged. */
export interface RingBlock {
  readonly ordinal: number;
  readonly bytes: Buffer;
}

interface Geometry {
  readonly headerBytes: number;
  readonly areaBytes: number;
  readonly blockBytes: number;
  readonly blocks: number;
}

/** An open ring file. */
export class RingFile {
  readonly owner: Owner;
  readonly writerId: string;
  readonly runId: string;
  /** Undefined when it is damaged: then nobody knows which rows are in frames. */
  readonly watermark: Watermark | undefined;
  readonly #file: FileHandle;
  readonly #geometry: Geometry;

  private constructor(file: FileHandle, header: Buffer, geometry: Geometry) {
    this.#file = file;
    this.#geometry = geometry;
    this.owner = readOwner(header, OWNER_AT);
    this.writerId = header.toString("latin1", WRITER_AT, WRITER_AT + ULID_BYTES);
    this.runId = header.toString("latin1", WRITER_AT + ULID_BYTES, CRC_AT);
    this.watermark = readWatermark(header);
  }

  /** Undefined when the file is gone, `damaged` when its header is no ring's. Rejects when it cannot be read. */
  static async open(path: string): Promise<RingFile | "damaged" | undefined> {
    const file = await openRegular(path);
    if (file === undefined) return undefined;
    try {
      const header = await readAt(file, 0, HEADER_READ_BYTES);
      const geometry = readGeometry(header, (await file.stat()).size);
      if (geometry !== undefined) return new RingFile(file, header, geometry);
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return "damaged";
  }

  /** The frames, by number. Those acknowledged long ago, and those that do not count yet, may be among them. */
  async frames(): Promise<Map<number, KeptFrame>> {
    const { headerBytes, areaBytes } = this.#geometry;
    const frames = new Map<number, KeptFrame>();
    for (const area of [0, 1]) {
      const bytes = await readAt(this.#file, headerBytes + area * areaBytes, areaBytes);
      let offset = 0;
      let last = 0;
      while (true) {
        const entry = frameLength(bytes, offset) === undefined ? undefined : readEntry(bytes, offset);
        // A number that does not rise is of an earlier turn.
        if (entry === undefined || entry.seq <= last) break;
        last = entry.seq;
        offset += ENTRY_HEADER_BYTES + entry.bytes.length;
        frames.set(entry.seq, entry);
      }
    }
    return frames;
  }

  /** Blocks with rows that may be in no frame, in their order, after damaged ones; one in memory at a time. */
  async *blocks({ ordinal: first }: Watermark): AsyncGenerator<RingBlock> {
    const { headerBytes, areaBytes, blockBytes, blocks } = this.#geometry;
    const start = headerBytes + 2 * areaBytes;
    const found: { ordinal: number; position: number }[] = [];
    for (let index = 0; index < blocks; index++) {
      const position = start + index * blockBytes;
      const header = await readAt(this.#file, position, BLOCK_HEADER_BYTES);
      const ordinal = readOrdinal(header);
      if (ordinal === 0 ? !isZero(header) : ordinal >= first) found.push({ ordinal, position });
    }
    found.sort((a, b) => a.ordinal - b.ordinal);
    for (const { ordinal, position } of found) {
      yield { ordinal, bytes: await readAt(this.#file, position, blockBytes) };
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function readGeometry(header: Buffer, fileBytes: number): Geometry | undefined {
  if (header.length < HEADER_READ_BYTES || !header.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  if (crc32(header.subarray(0, CRC_AT)) !== header.readUInt32LE(CRC_AT)) return undefined;
  const [headerBytes = 0, areaBytes = 0, blockBytes = 0, blocks = 0] = [8, 12, 16, 20].map((at) =>
    header.readUInt32LE(at),
  );
  const sane =
    headerBytes >= HEADER_READ_BYTES &&
    blockBytes >= BLOCK_HEADER_BYTES &&
    blockBytes <= MAX_BLOCK_BYTES &&
    blockBytes % 8 === 0 &&
    fileBytes <= MAX_FILE_BYTES &&
    headerBytes + 2 * areaBytes + blocks * blockBytes <= fileBytes;
  return sane ? { headerBytes, areaBytes, blockBytes, blocks } : undefined;
}

/** The newer slot. With the second turn still to come, a torn first one counts as none. */
function readWatermark(header: Buffer): Watermark | undefined {
  let newest = { turn: 0, ordinal: 0, offset: 0, lastSeq: 0 };
  for (const slot of [0, 1]) {
    const at = WATERMARK_AT + slot * WATERMARK_STRIDE;
    const bytes = header.subarray(at, at + WATERMARK_BYTES);
    if (crc32(bytes.subarray(0, 32)) !== bytes.readUInt32LE(32)) continue;
    const [turn = 0, ordinal = 0, offset = 0, lastSeq = 0] = [0, 8, 16, 24].map((field) =>
      Number(header.readBigUInt64LE(at + field)),
    );
    if (turn > newest.turn) newest = { turn, ordinal, offset, lastSeq };
  }
  const none = isZero(header.subarray(WATERMARK_AT, WATERMARK_AT + WATERMARK_BYTES));
  return newest.turn > 0 || none ? newest : undefined;
}

/** 0 when there is none. */
function readOrdinal(header: Buffer): number {
  if (header.length < BLOCK_HEADER_BYTES) return 0;
  const ordinal = Number(header.readBigUInt64LE(0));
  const whole = crc32(header.subarray(0, 8)) === header.readUInt32LE(8);
  return whole && Number.isSafeInteger(ordinal) ? ordinal : 0;
}

/** Whether every byte is 0. */
export function isZero(bytes: Buffer): boolean {
  return bytes.equals(Buffer.alloc(bytes.length));
}
