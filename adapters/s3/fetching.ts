/** Fetching an object into a file: ranges of one version, several at a time, each written to its place. */
import type { FileHandle } from "node:fs/promises";
import { intoNewFile } from "../files.ts";
import { ObjectMissing, type OnBytes, type OnPrefix } from "../registry.ts";
import { runWorkers } from "../workers.ts";
import { again, drain } from "./body.ts";
import type { Bucket } from "./bucket.ts";
import { S3Answer } from "./faults.ts";
import { Placing } from "./placing.ts";
import { Prefix } from "./prefix.ts";
import { getRange } from "./ranges.ts";
import { headObject } from "./reading.ts";

/** Writes the new file `path`; removes it on failure. Throws ObjectMissing. */
export async function fetchObject(
  bucket: Bucket,
  key: string,
  path: string,
  signal: AbortSignal,
  onBytes: OnBytes,
  onPrefix: OnPrefix,
): Promise<void> {
  const head = await headObject(bucket, key, signal);
  if (head === undefined) throw new ObjectMissing(key);
  const fill = async (handle: FileHandle): Promise<void> => {
    await handle.truncate(head.size);
    await fetchRanges(bucket, key, handle, head, signal, onBytes, onPrefix);
  };
  try {
    await intoNewFile(path, fill, false);
  } catch (error) {
    throw error instanceof S3Answer && error.kind === "missing" ? new ObjectMissing(key) : error;
  }
}

async function fetchRanges(
  bucket: Bucket,
  key: string,
  handle: FileHandle,
  { size, etag }: { readonly size: number; readonly etag: string },
  signal: AbortSignal,
  onBytes: OnBytes,
  onPrefix: OnPrefix,
): Promise<void> {
  const { fetchBytes, fetching } = bucket.tuning;
  const ranges = Math.ceil(size / fetchBytes);
  const prefix = new Prefix();
  let next = 0;
  let done = 0;
  onBytes(0, size);
  const written = (position: number, length: number): void => {
    done += length;
    onBytes(done, size);
    onPrefix(prefix.add(position, length));
  };
  const fetcher = async (stop: AbortSignal): Promise<void> => {
    for (let range = next++; range < ranges; range = next++) {
      const start = range * fetchBytes;
      await fetchRange(bucket, key, handle, start, Math.min(start + fetchBytes, size), etag, stop, written);
    }
  };
  await runWorkers(Math.min(fetching, ranges), fetcher, signal);
}

/** One that breaks off goes on where it ended: what is written once stays, since somebody may have hashed it. */
async function fetchRange(
  bucket: Bucket,
  key: string,
  handle: FileHandle,
  start: number,
  end: number,
  etag: string,
  signal: AbortSignal,
  onWritten: (position: number, length: number) => void,
): Promise<void> {
  let position = start;
  const advance = (from: number, length: number): void => {
    position = from + length;
    onWritten(from, length);
  };
  const attempt = async (): Promise<void> => {
    if (position === end) return;
    const length = end - position;
    const { body } = await getRange(bucket, key, position, length, etag, signal);
    const placing = new Placing(handle, position, advance);
    try {
      await drain(body, length, (chunk) => placing.take(chunk));
    } finally {
      await placing.finish();
    }
  };
  await again(key, attempt, signal);
}
