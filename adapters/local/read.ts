import { type FileHandle, open } from "node:fs/promises";

const CHUNK_BYTES = 512 * 1024;
/** Chunks read ahead of the consumer. Each of many slow ones holds so many. */
const READ_AHEAD = 2;

/** Streams a file from byte `offset` in chunks of 512 KiB (the last one shorter); throws `missing()` when there is none. */
export async function* readChunks(
  path: string,
  offset: number,
  signal: AbortSignal,
  missing: () => Error,
): AsyncGenerator<Buffer> {
  let handle: FileHandle;
  try {
    handle = await open(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") throw missing();
    throw error;
  }
  try {
    const { size } = await handle.stat();
    const reads: Promise<Buffer>[] = [];
    let next = offset;
    for (;;) {
      while (next < size && reads.length < READ_AHEAD) {
        const read = readExactly(handle, next, Math.min(CHUNK_BYTES, size - next));
        read.catch(() => undefined);
        reads.push(read);
        next += CHUNK_BYTES;
      }
      const first = reads.shift();
      if (first === undefined) return;
      signal.throwIfAborted();
      yield await first;
    }
  } finally {
    await handle.close();
  }
}

/** Reads `length` bytes, or up to the end of the file. */
export async function readExactly(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const chunk = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(chunk, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled === length ? chunk : chunk.subarray(0, filled);
}
