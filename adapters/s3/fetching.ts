/** Fetching an object into a file: ranges of one version, several at a time, each written to its place. */
import { type FileHandle, open, rm } from "node:fs/promises";
import { ObjectMissing, type OnBytes } from "../registry.ts";
import { again, drain } from "./body.ts";
import type { Bucket } from "./bucket.ts";
import { S3Answer } from "./faults.ts";
import { inParallel } from "./parallel.ts";
import { getRange } from "./ranges.ts";
import { headObject } from "./reading.ts";

/** Writes the new file `path`; removes it on failure. Throws ObjectMissing. */
export async function fetchObject(
  bucket: Bucket,
  key: string,
  path: string,
  signal: AbortSignal,
  onBytes: OnBytes,
): Promise<void> {
  const head = await headObject(bucket, key, signal);
  if (head === undefined) throw new ObjectMissing(key);
  const handle = await open(path, "wx", 0o600);
  try {
    await handle.truncate(head.size);
    await fetchRanges(bucket, key, handle, head, signal, onBytes);
    await handle.close();
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(path, { force: true });
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
): Promise<void> {
  const { fetchBytes, fetching } = bucket.tuning;
  const ranges = Math.ceil(size / fetchBytes);
  let next = 0;
  let done = 0;
  onBytes(0, size);
  const fetcher = async (stop: AbortSignal): Promise<void> => {
    for (let range = next++; range < ranges; range = next++) {
      const offset = range * fetchBytes;
      const length = Math.min(fetchBytes, size - offset);
      await again(
        key,
        async () => {
          const { body } = await getRange(bucket, key, offset, length, etag, stop);
          await drain(body, length, (chunk, position) => writeAll(handle, chunk, offset + position));
        },
        stop,
      );
      done += length;
      onBytes(done, size);
    }
  };
  await inParallel(Math.min(fetching, ranges), fetcher, signal);
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
