/** Makes frames of what a dead process had logged and not packed. */
import type { Record } from "@pipekit/proto";
import type { KeptRow } from "./block.ts";

const FRAME_POINTS = 32_768;
const FRAME_BYTES = 1024 * 1024;
const ROW_BYTES = 20;

/** Records of one frame. */
export interface PackedRecords {
  readonly records: Record[];
  points: number;
  bytes: number;
}

/**
 * Packs rows and facts in order. The same input gives the same frames, always: a daemon that dies while it hands them
 * over makes them anew under the same numbers.
 */
export class FramePacker {
  #frame: PackedRecords = emptyFrame();
  #rows: KeptRow[] = [];
  readonly #keySets = new Set<readonly string[]>();

  /** Takes a row; gives the frame that it no longer fits. */
  addRow(row: KeptRow): PackedRecords | undefined {
    const points = row.keys.length;
    const known = this.#keySets.has(row.keys);
    const keyBytes = known ? 0 : row.keys.reduce((sum, key) => sum + 3 + Buffer.byteLength(key), 0);
    const full = this.#makeRoom(points, 8 * points + ROW_BYTES + keyBytes);
    this.#rows.push(row);
    this.#keySets.add(row.keys);
    return full;
  }

  /** Takes a record of another kind; gives the frame that it no longer fits. */
  addRecord(record: Record, bytes: number): PackedRecords | undefined {
    const full = this.#makeRoom(0, bytes);
    this.#closeRows();
    this.#frame.records.push(record);
    return full;
  }

  /** The last frame; undefined when there is nothing. */
  finish(): PackedRecords | undefined {
    this.#closeRows();
    const frame = this.#frame;
    this.#frame = emptyFrame();
    return frame.records.length > 0 ? frame : undefined;
  }

  #makeRoom(points: number, bytes: number): PackedRecords | undefined {
    const frame = this.#frame;
    const fits = frame.points + points <= FRAME_POINTS && frame.bytes + bytes <= FRAME_BYTES;
    const full = fits ? undefined : this.finish();
    this.#frame.points += points;
    this.#frame.bytes += bytes;
    return full;
  }

  #closeRows(): void {
    if (this.#rows.length === 0) return;
    this.#frame.records.push(columnsOf(this.#rows));
    this.#rows = [];
    this.#keySets.clear();
  }
}

function emptyFrame(): PackedRecords {
  return { records: [], points: 0, bytes: 0 };
}

function columnsOf(rows: readonly KeptRow[]): Record {
  const index = new Map<readonly string[], number>();
  const rowKeySet = Buffer.alloc(4 * rows.length);
  const rowStep = Buffer.alloc(8 * rows.length);
  const rowTimeUs = Buffer.alloc(8 * rows.length);
  rows.forEach(({ keys, step, timeUs }, i) => {
    const number = index.get(keys) ?? index.size;
    index.set(keys, number);
    rowKeySet.writeUInt32LE(number, 4 * i);
    rowStep.writeBigInt64LE(step, 8 * i);
    rowTimeUs.writeBigInt64LE(timeUs, 8 * i);
  });
  const keySets = [...index.keys()].map((keys) => ({ keys: [...keys] }));
  const values = Buffer.concat(rows.map((row) => row.values));
  return { record: { $case: "metrics", value: { keySets, rowKeySet, rowStep, rowTimeUs, values } } };
}
