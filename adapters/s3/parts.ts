/** How a large object is cut into parts. It follows from the size alone, so that a later try finds the same parts. */

const MIB = 1024 * 1024;
/** Of S3. */
export const MAX_PARTS = 10_000;
/** Buffers of parts take no more than this together, but for one. */
const BUFFER_BYTES = 64 * MIB;

export interface Part {
  /** From 1. */
  readonly number: number;
  readonly offset: number;
  readonly length: number;
}

/** Parts of at least `least` bytes, whole MiB when they must be larger, and not more than S3 takes. */
export function partsOf(size: number, least: number): readonly Part[] {
  const needed = Math.ceil(size / MAX_PARTS);
  const bytes = needed <= least ? least : Math.ceil(needed / MIB) * MIB;
  return Array.from({ length: Math.ceil(size / bytes) }, (_, i) => ({
    number: i + 1,
    offset: i * bytes,
    length: Math.min(bytes, size - i * bytes),
  }));
}

/** Parts in the air at a time: `most`, or fewer when they are large. */
export function partsAtATime(parts: readonly Part[], most: number): number {
  const bytes = parts[0]?.length ?? 1;
  return Math.max(1, Math.min(most, parts.length, Math.floor(BUFFER_BYTES / bytes)));
}
