/** Reads a backup, file by file, and lets pass nothing that a backup does not have. */
import { createReadStream } from "node:fs";
import { lstat, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { copyHashed, type Digest, hashChunks, hashFile, writeHashed } from "@pipekit/adapters/files";
import { SourceUnreadable } from "@pipekit/adapters/registry";
import { PipekitError } from "@pipekit/proto";
import { corrupt, isPlace, MANIFEST, SUMS } from "./form.ts";
import { filesUnder } from "./tree.ts";

const CHUNK_BYTES = 1024 * 1024;
/** Bytes of the manifest or the sums, which are held in memory: a line for each of two million files. */
const MOST_TEXT = 256 * 1024 * 1024;

/** A file of a backup; it is read before the next one is asked for. */
export interface Entry {
  readonly path: string;
  /** Writes it to the new file `target`, durable then; without a target it is read only. Throws CORRUPT_BACKUP. */
  read(target: string | undefined): Promise<Digest>;
  /** All of a small one. */
  text(): Promise<string>;
}

/** Throws INVALID_ARGUMENT where there is nothing to read, CORRUPT_BACKUP and the signal's reason. */
export async function* entriesOf(backup: string, signal: AbortSignal): AsyncGenerator<Entry> {
  const found = await stat(backup).catch((cause: unknown) => {
    throw new PipekitError("INVALID_ARGUMENT", `There is no backup ${backup}.`, {
      field: backup,
      mend: "Name a folder or a .tar that `pkx backup` wrote.",
      cause,
    });
  });
  yield* found.isDirectory() ? folderEntries(backup, signal) : tarEntries(backup, signal);
}

async function* folderEntries(backup: string, signal: AbortSignal): AsyncGenerator<Entry> {
  const others: string[] = [];
  for (const { path, source } of await filesUnder(backup, undefined, others)) {
    checkPath(backup, path);
    yield {
      path,
      read: (target) =>
        (target === undefined ? hashFile(source, signal) : copyHashed(source, target, signal)).catch(
          (error) => {
            throw error instanceof SourceUnreadable ? corrupt(backup, path, "cannot be read", error) : error;
          },
        ),
      text: () => textOf(createReadStream(source), backup, path),
    };
  }
  const [other] = others;
  if (other !== undefined) throw corrupt(backup, other.slice(backup.length + 1), "is no regular file");
}

async function* tarEntries(backup: string, signal: AbortSignal): AsyncGenerator<Entry> {
  if (!(await lstat(backup)).isFile()) throw corrupt(backup, "", "is neither a folder nor a file");
  const { extract } = (await import("tar-stream")).default;
  const tar = extract();
  const stop = new AbortController();
  const source = createReadStream(backup, { highWaterMark: CHUNK_BYTES });
  const reading = pipeline(source, tar, { signal: AbortSignal.any([signal, stop.signal]) });
  reading.catch(() => undefined);
  try {
    for await (const entry of tar) {
      const { name: path, type, linkname } = entry.header;
      if (type !== "file" || linkname) throw corrupt(backup, path, `is a ${type}`);
      checkPath(backup, path);
      const chunks = soundChunks(backup, entry, signal);
      yield {
        path,
        read: (target) => (target === undefined ? hashChunks(chunks) : writeHashed(chunks, target, signal)),
        text: () => textOf(chunks, backup, path),
      };
    }
    await reading;
  } catch (error) {
    throw asFailure(backup, error, signal);
  } finally {
    stop.abort();
    await reading.catch(() => undefined);
  }
}

async function* soundChunks(
  backup: string,
  entry: AsyncIterable<unknown>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of entry) yield chunk as Buffer;
  } catch (error) {
    throw asFailure(backup, error, signal);
  }
}

/** What is neither the system's fault nor ours is the tar's. */
function asFailure(backup: string, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof PipekitError || (error instanceof Error && "syscall" in error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return corrupt(backup, "", `is no sound tar (${message})`, error);
}

function checkPath(backup: string, path: string): void {
  if (path !== SUMS && path !== MANIFEST && !isPlace(path))
    throw corrupt(backup, path, "is none of the files of a backup");
}

async function textOf(chunks: AsyncIterable<Buffer>, backup: string, path: string): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > MOST_TEXT) throw corrupt(backup, path, "is larger than any that was ever written");
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString();
}
