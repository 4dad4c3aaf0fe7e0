import { crc32 } from "node:zlib";
import { corrupt, type Refusal, refusalOf } from "./faults.ts";

/**
 * CRC-32 of what SQLite itself does not check: the body of a frame, and the values of rows that no frame repeats.
 */

/** CRC-32 of a frame's body, begun with the position: a frame at another place is not what was journaled either. */
export function bodyCrc(position: number, body: Uint8Array): number {
  return crc32(body, position % 0x1_0000_0000);
}

/** CRC-32 of the values of a row, in the order of its columns, without the crc itself. */
export function rowCrc(...values: readonly unknown[]): number {
  return crc32(JSON.stringify(values));
}

/** A frame's row as far as its checksum goes. */
export interface CheckedFrame {
  readonly position: number;
  readonly body: Uint8Array;
  /** NULL when a daemon of journal version 1 wrote it. */
  readonly crc: number | null;
}

/** Whether a body is what was journaled. A frame of journal version 1 passes. */
export function isIntact({ position, body, crc }: CheckedFrame): boolean {
  return crc === null || bodyCrc(position, body) === crc;
}

/** Throws CORRUPT_JOURNAL for a body that is not what was journaled. */
export function checkBody(frame: CheckedFrame, runId: string, file: string): void {
  if (!isIntact(frame)) throw unreadable(frame.position, runId, file);
}

/** CORRUPT_JOURNAL: the frame at this position is not what was journaled. */
export function unreadable(position: number, runId: string, file: string): Refusal {
  return refusalOf(
    corrupt(`the frame at position ${position} of run ${runId} is not what was journaled`, file),
  );
}
