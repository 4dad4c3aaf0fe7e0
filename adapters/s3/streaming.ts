/** Streaming an object in order, with ranges read ahead, all of one version. */
import { ObjectMissing } from "../registry.ts";
import { again, wholeBody } from "./body.ts";
import type { Bucket } from "./bucket.ts";
import { S3Answer } from "./faults.ts";
import { getRange } from "./ranges.ts";

const CHUNK_BYTES = 1024 * 1024;

/** Chunks of at most 1 MiB from byte `offset`. Throws ObjectMissing. */
export async function* streamObject(
  bucket: Bucket,
  key: string,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const { streamBytes, readAhead } = bucket.tuning;
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const read = (position: number, etag: string | undefined) =>
    again(
      key,
      async () => {
        const range = await getRange(bucket, key, position, streamBytes, etag, either);
        return { ...range, bytes: await wholeBody(range.body, range.length) };
      },
      either,
    );
  const ahead: ReturnType<typeof read>[] = [];
  try {
    const first = await read(offset, undefined);
    let next = offset + streamBytes;
    let current: Awaited<ReturnType<typeof read>> | undefined = first;
    while (current !== undefined) {
      for (; next < first.total && ahead.length < readAhead; next += streamBytes) {
        const reading = read(next, first.etag);
        // It is awaited in its turn; until then a rejection is not an unhandled one.
        reading.catch(() => undefined);
        ahead.push(reading);
      }
      for (let start = 0; start < current.length; start += CHUNK_BYTES) {
        signal.throwIfAborted();
        yield current.bytes.subarray(start, start + CHUNK_BYTES);
      }
      current = await ahead.shift();
    }
  } catch (error) {
    if (!(error instanceof S3Answer)) throw error;
    if (error.kind === "missing") throw new ObjectMissing(key);
    // No byte lies at the offset: the object is empty, or ends there.
    if (error.kind !== "beyond the end") throw error;
  } finally {
    stop.abort();
    await Promise.allSettled(ahead);
  }
}
