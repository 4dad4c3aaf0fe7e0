import { PipekitError } from "./failure.ts";
import type { MetricColumns } from "./generated/pipekit/experiment/v1/tracker.ts";
import { MAX_KEY_BYTES } from "./protocol.ts";

/** One log() call: values stand in the order of the key set. `step` is a safe integer, `timeUs` unix microseconds. */
export interface MetricRow {
  keys: readonly string[];
  step: number;
  timeUs: number;
  values: readonly number[];
}

/** Packs rows into columns (see MetricColumns in tracker.proto). Rows that share one `keys` array share a key set. */
export function packRows(rows: readonly MetricRow[]): MetricColumns {
  const setIndex = new Map<readonly string[], number>();
  const valueCount = rows.reduce((sum, row) => sum + row.values.length, 0);
  const rowKeySet = Buffer.allocUnsafe(rows.length * 4);
  const rowStep = Buffer.allocUnsafe(rows.length * 8);
  const rowTimeUs = Buffer.allocUnsafe(rows.length * 8);
  const values = Buffer.allocUnsafe(valueCount * 8);
  let valueOffset = 0;
  rows.forEach((row, i) => {
    let index = setIndex.get(row.keys);
    if (index === undefined) {
      index = setIndex.size;
      setIndex.set(row.keys, index);
    }
    rowKeySet.writeUInt32LE(index, i * 4);
    rowStep.writeBigInt64LE(BigInt(row.step), i * 8);
    rowTimeUs.writeBigInt64LE(BigInt(row.timeUs), i * 8);
    for (const value of row.values) {
      values.writeDoubleLE(value, valueOffset);
      valueOffset += 8;
    }
  });
  const keySets = [...setIndex.keys()].map((keys) => ({ keys: [...keys] }));
  return { keySets, rowKeySet, rowStep, rowTimeUs, values };
}

/**
 * Checks what a client sent: equal row counts, indices in range, as many values as keys, sane keys and steps.
 * Throws PipekitError INVALID_METRIC that names the fault.
 */
export function checkColumns(columns: MetricColumns): void {
  const rows = columns.rowKeySet.length / 4;
  if (
    !Number.isInteger(rows) ||
    columns.rowStep.length !== rows * 8 ||
    columns.rowTimeUs.length !== rows * 8
  ) {
    throw invalid("row columns", "Metric columns have unequal row counts.");
  }
  columns.keySets.forEach((set, i) => {
    checkKeys(set.keys, `key_sets[${i}]`);
  });
  let expected = 0;
  for (let i = 0; i < rows; i++) {
    const set = columns.keySets[columns.rowKeySet.readUInt32LE(i * 4)];
    if (set === undefined)
      throw invalid(`row_key_set[${i}]`, "A metric row names a key set that is not there.");
    expected += set.keys.length;
    if (!Number.isSafeInteger(readInt53(columns.rowStep, i * 8))) {
      throw invalid(`row_step[${i}]`, "A metric step lies beyond 2^53 - 1.");
    }
    if (!Number.isSafeInteger(readInt53(columns.rowTimeUs, i * 8))) {
      throw invalid(`row_time_us[${i}]`, "A metric time lies beyond 2^53 - 1 microseconds.");
    }
  }
  if (columns.values.length !== expected * 8) {
    throw invalid("values", `Metric columns need ${expected} values and hold ${columns.values.length / 8}.`);
  }
}

function checkKeys(keys: readonly string[], field: string): void {
  if (new Set(keys).size !== keys.length) throw invalid(field, "A metric key stands twice in one row.");
  for (const key of keys) checkMetricKey(key, field);
}

/** Throws PipekitError INVALID_METRIC unless `key` is 1 to 1024 UTF-8 bytes without control characters. */
export function checkMetricKey(key: string, field = "key"): void {
  if (key.length === 0) throw invalid(field, "A metric key is empty.");
  const bytes = Buffer.byteLength(key);
  if (bytes > MAX_KEY_BYTES) {
    throw invalid(field, `A metric key has ${bytes} bytes; at most ${MAX_KEY_BYTES} are allowed.`);
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(key)) throw invalid(field, "A metric key holds a control character.");
}

function invalid(field: string, message: string): PipekitError {
  return new PipekitError("INVALID_METRIC", message, { field, mend: "Mend the metric at its log() call." });
}

/** Reads an int64 as a number; what a double cannot hold exactly comes back as a number that is not a safe integer. */
function readInt53(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset) + bytes.readInt32LE(offset + 4) * 0x1_0000_0000;
}
