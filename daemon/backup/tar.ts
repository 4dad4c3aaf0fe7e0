/** A backup as one file: an uncompressed POSIX tar, which every `tar` reads. */
import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { Progress } from "@pipekit/proto";
import type { Pack } from "tar-stream";
import { MANIFEST, SUMS } from "./form.ts";
import { filesUnder, type TreeFile } from "./tree.ts";

const CHUNK_BYTES = 1024 * 1024;

/** Writes all of a folder to the file `target`, which is durable then; the manifest comes last. */
export async function writeTar(
  folder: string,
  target: string,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<void> {
  const files = (await filesUnder(folder)).sort((a, b) => rank(a) - rank(b));
  // The default export: a bundler does not see the named ones of a CommonJS package that is loaded late.
  const { pack } = (await import("tar-stream")).default;
  const tar = pack();
  const file = await open(target, "w", 0o600);
  const stop = new AbortController();
  const working = AbortSignal.any([signal, stop.signal]);
  const written = file.writeFile(bytesOf(tar), { signal: working });
  // A disk that is full ends the filling as well.
  written.catch((error: unknown) => stop.abort(error));
  try {
    let [filesDone, bytesDone] = [0, 0];
    for (const each of files) {
      bytesDone += await addFile(tar, each, working);
      const done = { bytesDone, filesDone: ++filesDone, filesTotal: files.length };
      onProgress(Progress.fromPartial({ phase: "packing", ...done }));
    }
    tar.finalize();
    await written;
    await file.sync();
  } catch (error) {
    stop.abort(error);
    await written.catch(() => undefined);
    throw working.aborted ? working.reason : error;
  } finally {
    await file.close();
  }
}

/** Bytes of the file. */
async function addFile(tar: Pack, { path, source }: TreeFile, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted();
  const { size, mtime } = await stat(source);
  const ended = Promise.withResolvers<void>();
  const header = { name: path, size, mtime, mode: 0o600, type: "file" } as const;
  const entry = tar.entry(header, (error) => (error ? ended.reject(error) : ended.resolve()));
  const stopped = () => ended.reject(signal.reason);
  signal.addEventListener("abort", stopped, { once: true });
  ended.promise.catch(() => undefined);
  try {
    for await (const chunk of createReadStream(source, { highWaterMark: CHUNK_BYTES, signal })) {
      if (entry.write(chunk)) continue;
      const drained = new Promise<void>((resolve) => entry.once("drain", () => resolve()));
      await Promise.race([drained, ended.promise]);
    }
    entry.end(null);
    await ended.promise;
  } finally {
    signal.removeEventListener("abort", stopped);
  }
  return size;
}

async function* bytesOf(tar: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  for await (const chunk of tar) yield chunk as Buffer;
}

function rank({ path }: TreeFile): number {
  return [SUMS, MANIFEST].indexOf(path);
}
