/** Frames as they stand in a spool file and in a ring: header, then the bytes of a Frame message. */
import { crc32 } from "node:zlib";
import { Frame } from "@pipekit/proto";

/** uint32 length, uint32 CRC-32, uint64 seq, uint32 points. */
export const ENTRY_HEADER_BYTES = 20;
/** More than any client puts into a frame. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024;
const CHECKED_FROM = 8;

/** A frame as a dead process left it. */
export interface KeptFrame {
  readonly seq: number;
  readonly points: number;
  readonly bytes: Buffer;
}

/** Length of the frame whose header stands at `offset`; undefined when that is none. */
export function frameLength(bytes: Buffer, offset: number): number | undefined {
  if (offset + ENTRY_HEADER_BYTES > bytes.length) return undefined;
  const length = bytes.readUInt32LE(offset);
  return length > 0 && length <= MAX_FRAME_BYTES ? length : undefined;
}

/** The entry at `offset`, which must be there as a whole; undefined when its CRC or number is wrong. */
export function readEntry(bytes: Buffer, offset: number): KeptFrame | undefined {
  const length = frameLength(bytes, offset);
  if (length === undefined) return undefined;
  const end = offset + ENTRY_HEADER_BYTES + length;
  if (end > bytes.length) return undefined;
  const frame = bytes.subarray(offset + ENTRY_HEADER_BYTES, end);
  const numbers = bytes.subarray(offset + CHECKED_FROM, offset + ENTRY_HEADER_BYTES);
  if (crc32(frame, crc32(numbers)) !== bytes.readUInt32LE(offset + 4)) return undefined;
  const seq = Number(bytes.readBigUInt64LE(offset + CHECKED_FROM));
  if (!Number.isSafeInteger(seq) || seq < 1) return undefined;
  return { seq, points: bytes.readUInt32LE(offset + 16), bytes: frame };
}

/** The message of a kept frame; undefined when it is none, or one of another writer, run or number. */
export function decodeFrame(kept: KeptFrame, writerId: string, runId: string | undefined): Frame | undefined {
  let frame: Frame;
  try {
    frame = Frame.decode(kept.bytes);
  } catch {
    return undefined;
  }
  const fits = frame.writerId === writerId && frame.seq === kept.seq;
  return fits && (runId === undefined || frame.runId === runId) ? frame : undefined;
}
