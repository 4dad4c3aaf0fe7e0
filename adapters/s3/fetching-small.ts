/** Fetching an object with one request, which is all that most files of a data set need. */
import type { FileHandle } from "node:fs/promises";
import { intoNewFile } from "../files.ts";
import { ObjectMissing, type OnBytes } from "../registry.ts";
import { again, type Body, drain } from "./body.ts";
import type { Bucket } from "./bucket.ts";
import { S3Answer } from "./faults.ts";
import { Placing } from "./placing.ts";
import { getRange, type Range } from "./ranges.ts";

/**
 * Writes the new file `path`; removes it on failure. Returns false, with nothing written, when the object is larger than one
 * range. Throws ObjectMissing.
 */
export function fetchSmall(
  bucket: Bucket,
  key: string,
  path: string,
  signal: AbortSignal,
  onBytes: OnBytes,
): Promise<boolean> {
  const attempt = async (): Promise<boolean> => {
    const range = await firstRange(bucket, key, signal);
    if (range !== undefined && range.total > range.length) {
      (range.body as Body).destroy();
      return false;
    }
    await writeRange(range, path, onBytes);
    return true;
  };
  return again(key, attempt, signal);
}

/** Undefined for an empty object, which has no byte to ask for. */
async function firstRange(bucket: Bucket, key: string, signal: AbortSignal): Promise<Range | undefined> {
  try {
    return await getRange(bucket, key, 0, bucket.tuning.fetchBytes, undefined, signal);
  } catch (error) {
    if (error instanceof S3Answer && error.kind === "missing") throw new ObjectMissing(key);
    if (error instanceof S3Answer && error.kind === "beyond the end") return undefined;
    throw error;
  }
}

async function writeRange(range: Range | undefined, path: string, onBytes: OnBytes): Promise<void> {
  const total = range?.total ?? 0;
  const fill = async (handle: FileHandle): Promise<void> => {
    const placing = new Placing(handle, 0, (position, length) => onBytes(position + length, total));
    try {
      if (range !== undefined) await drain(range.body, range.length, (chunk) => placing.take(chunk));
    } finally {
      await placing.finish();
    }
  };
  await intoNewFile(path, fill, false);
}
