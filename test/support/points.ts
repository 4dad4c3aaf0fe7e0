import type { MetricColumns } from "@pipekit/proto";

/** Calls `visit` for each point, in the order in which it was logged. The columns must have passed checkColumns. */
export function eachPoint(
  columns: MetricColumns,
  visit: (key: string, step: number, value: number, timeUs: number) => void,
): void {
  const rows = columns.rowKeySet.length / 4;
  let valueOffset = 0;
  for (let i = 0; i < rows; i++) {
    const keys = columns.keySets[columns.rowKeySet.readUInt32LE(i * 4)]?.keys ?? [];
    const step = Number(columns.rowStep.readBigInt64LE(i * 8));
    const timeUs = Number(columns.rowTimeUs.readBigInt64LE(i * 8));
    for (const key of keys) {
      visit(key, step, columns.values.readDoubleLE(valueOffset), timeUs);
      valueOffset += 8;
    }
  }
}

/** Number of points in columns. */
export function pointCount(columns: MetricColumns): number {
  return columns.values.length / 8;
}
