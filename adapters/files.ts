/**
 * Moving bytes into files: hashed on the way, with two buffers of memory, durable before the promise resolves.
 * Reading the next part, writing this one and hashing it overlap.
 */
import { createHash } from "node:crypto";
import { constants, copyFile, type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type OnBytes, SourceUnreadable } from "./registry.ts";

const CHUNK_BYTES = 1024 * 1024;
/** Written pages are sent to the disk in the background after this many bytes, so that the last fsync is short. */
const WRITEBACK_BYTES = 64 * CHUNK_BYTES;

/** What passed through: SHA-256 (lowercase hex) and number of bytes. */
export interface Digest {
  readonly sha256: string;
  readonly size: number;
}

/** What the system says when it is short of something that it will have again. */
const PASSING: ReadonlySet<unknown> = new Set(["EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "EBUSY", "EINTR"]);

/** Whether a failure to read is the system's for the moment, and says nothing of the file. */
export function isPassing(error: unknown): boolean {
  for (let fault = error; fault instanceof Error; fault = fault.cause) {
    if ("code" in fault && PASSING.has(fault.code)) return true;
  }
  return false;
}

/** Digest of a file. Throws SourceUnreadable. */
export async function hashFile(path: string, signal: AbortSignal, onBytes?: OnBytes): Promise<Digest> {
  const source = await openSource(path);
  try {
    return await pump(path, source, undefined, signal, onBytes);
  } finally {
    await source.close();
  }
}

/** Digest of chunks as they pass. */
export async function hashChunks(chunks: AsyncIterable<Buffer>): Promise<Digest> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { sha256: hash.digest("hex"), size };
}

/** Copies a file to the new file `target`, which is durable then. Throws SourceUnreadable; removes `target` on failure. */
export async function copyHashed(
  path: string,
  target: string,
  signal: AbortSignal,
  onBytes?: OnBytes,
): Promise<Digest> {
  const source = await openSource(path);
  try {
    if (await reflink(path, target)) return await hashAndSync(target, signal, onBytes);
    return await intoNewFile(target, (sink) => pump(path, source, sink, signal, onBytes));
  } finally {
    await source.close();
  }
}

/**
 * Writes chunks to the new file `target`, which is durable then unless `durable` is false. Removes `target` on failure.
 */
export async function writeHashed(
  chunks: AsyncIterable<Buffer>,
  target: string,
  signal: AbortSignal,
  { durable = true }: { readonly durable?: boolean } = {},
): Promise<Digest> {
  const fill = async (sink: FileHandle): Promise<Digest> => {
    const hash = createHash("sha256");
    const writeback = durable ? new Writeback(sink) : undefined;
    let size = 0;
    let writing: Promise<void> = Promise.resolve();
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      await writing;
      writing = writeAll(sink, chunk, size);
      // It is awaited one turn later; until then a rejection is not an unhandled one.
      writing.catch(() => undefined);
      hash.update(chunk);
      size += chunk.length;
      writeback?.written(size);
    }
    await writing;
    await writeback?.settled();
    return { sha256: hash.digest("hex"), size };
  };
  return intoNewFile(target, fill, durable);
}

/** Digest of a file of ours whose bytes are made durable as well. */
export async function hashAndSync(path: string, signal: AbortSignal, onBytes?: OnBytes): Promise<Digest> {
  const handle = await openSource(path);
  try {
    const digest = await pump(path, handle, undefined, signal, onBytes);
    await handle.sync();
    return digest;
  } finally {
    await handle.close();
  }
}

/** Creates the new file `target` with these bytes, durable. */
export async function writeDurably(target: string, bytes: Buffer): Promise<void> {
  await intoNewFile(target, (sink) => writeAll(sink, bytes, 0));
}

/** Makes the bytes of a file durable. */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes creations, renames and removals in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Creates a folder and its parents, durably. */
export async function ensureFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; ; made = dirname(made)) {
    await syncFolder(dirname(made));
    if (made === first || made === dirname(made)) return;
  }
}

async function openSource(path: string): Promise<FileHandle> {
  let handle: FileHandle | undefined;
  try {
    // Without O_NONBLOCK the opening of a pipe without a writer would never return.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!(await handle.stat()).isFile()) throw new SourceUnreadable(path, "it is not a regular file");
    return handle;
  } catch (error) {
    await handle?.close();
    throw error instanceof SourceUnreadable ? error : SourceUnreadable.from(path, error);
  }
}

/** Shares the blocks of `path` with a new file, where the file system can. */
export async function reflink(path: string, target: string): Promise<boolean> {
  try {
    await copyFile(path, target, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return true;
  } catch {
    await rm(target, { force: true });
    return false;
  }
}

/** Has the new file `target`, of mode 0600, filled; removes it on failure. It is durable then unless told otherwise. */
export async function intoNewFile<T>(
  target: string,
  fill: (sink: FileHandle) => Promise<T>,
  durable = true,
): Promise<T> {
  const sink = await open(target, "wx", 0o600);
  try {
    const result = await fill(sink);
    if (durable) await sink.sync();
    await sink.close();
    return result;
  } catch (error) {
    await sink.close().catch(() => undefined);
    await rm(target, { force: true });
    throw error;
  }
}

async function pump(
  path: string,
  source: FileHandle,
  sink: FileHandle | undefined,
  signal: AbortSignal,
  onBytes?: OnBytes,
): Promise<Digest> {
  const hash = createHash("sha256");
  const total = onBytes === undefined ? 0 : (await source.stat()).size;
  const writeback = sink === undefined ? undefined : new Writeback(sink);
  let [filled, spare] = [Buffer.allocUnsafeSlow(CHUNK_BYTES), Buffer.allocUnsafeSlow(CHUNK_BYTES)];
  let size = 0;
  let reading = readPart(path, source, filled, 0);
  for (;;) {
    const length = await reading;
    if (length === 0) break;
    signal.throwIfAborted();
    const part = filled.subarray(0, length);
    reading = readPart(path, source, spare, size + length);
    reading.catch(() => undefined);
    const writing = sink === undefined ? undefined : writeAll(sink, part, size);
    hash.update(part);
    await writing;
    size += length;
    onBytes?.(size, total);
    writeback?.written(size);
    [filled, spare] = [spare, filled];
  }
  await writeback?.settled();
  return { sha256: hash.digest("hex"), size };
}

async function readPart(path: string, source: FileHandle, into: Buffer, position: number): Promise<number> {
  try {
    return (await source.read(into, 0, into.length, position)).bytesRead;
  } catch (error) {
    throw SourceUnreadable.from(path, error);
  }
}

async function writeAll(sink: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    done += (await sink.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

/** Starts the writing of dirty pages to the disk now and then, at most one at a time. */
class Writeback {
  readonly #sink: FileHandle;
  #next = WRITEBACK_BYTES;
  #running: Promise<void> | undefined;

  constructor(sink: FileHandle) {
    this.#sink = sink;
  }

  written(size: number): void {
    if (size < this.#next || this.#running !== undefined) return;
    this.#next = size + WRITEBACK_BYTES;
    this.#running = this.#sink.datasync().finally(() => {
      this.#running = undefined;
    });
    this.#running.catch(() => undefined);
  }

  /** Waits for the one that runs; a failure is thrown here. */
  async settled(): Promise<void> {
    await this.#running;
  }
}
