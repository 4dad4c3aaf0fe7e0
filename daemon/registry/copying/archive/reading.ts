/** Reads an archive entry by entry, and lets pass nothing that an export does not write. */
import { createHash } from "node:crypto";
import { constants, type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { SourceUnreadable } from "@pipekit/adapters/registry";
import { PipekitError } from "@pipekit/proto";
import type { Header } from "tar-stream";
import { unreadable } from "../../../content/index.ts";
import { comesAfter, corruptArchive, type EntryKind, kindOf, sumsLine } from "./form.ts";

const BLOCK = 512;
const CHUNK_BYTES = 1024 * 1024;
/** Documents of models; what backends read whole. */
const MAX_SMALL_BYTES = 16 * 1024 * 1024;

/** One entry. Its content is read before the next entry is asked for; what is left is skipped, and hashed. */
export interface ArchiveEntry {
  readonly name: string;
  readonly is: EntryKind;
  readonly size: number;
  /** Where its header begins in the file. */
  readonly begin: number;
  readonly content: AsyncIterable<Buffer>;
}

export class ArchiveFile {
  readonly path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Throws ARTIFACT_UNREADABLE. */
  static async open(path: string): Promise<ArchiveFile> {
    try {
      // Without O_NONBLOCK the opening of a pipe without a writer would never return.
      const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      if ((await file.stat()).isFile()) return new ArchiveFile(path, file);
      await file.close();
    } catch (error) {
      throw unreadable(path, SourceUnreadable.from(path, error).reason, error);
    }
    throw unreadable(path, "it is not a regular file");
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /**
   * Entries from byte `begin` on, each in a place where it may stand; whether all are there, and as they were written, the
   * reader finds out. Throws CORRUPT_ARCHIVE, ARTIFACT_UNREADABLE.
   */
  async *entries(begin: number, signal: AbortSignal): AsyncGenerator<ArchiveEntry> {
    const stop = new AbortController();
    // The default export: a bundler does not see the named ones of a CommonJS package that is loaded late.
    const { extract } = (await import("tar-stream")).default;
    const tar = extract();
    const reading = pipeline(this.#bytes(begin), tar, { signal: AbortSignal.any([signal, stop.signal]) });
    reading.catch(() => undefined);
    let next = begin;
    let before: EntryKind | undefined;
    try {
      for await (const entry of tar) {
        checkHeader(entry.header, this.path);
        const { name, size } = entry.header;
        const is = kindOf(name);
        if (is === undefined)
          throw corruptArchive(this.path, `holds ${quoted(name)}, which is none of its entries`);
        if (before !== undefined && !comesAfter(is, before)) {
          throw corruptArchive(this.path, `holds ${quoted(name)} twice or in the wrong place`);
        }
        before = is;
        yield { name, is, size, begin: next, content: this.#content(entry, signal) };
        next = begin + entry.offset + BLOCK + Math.ceil(size / BLOCK) * BLOCK;
      }
      await reading;
    } catch (error) {
      throw this.#asFailure(error, signal);
    } finally {
      stop.abort();
      await reading.catch(() => undefined);
    }
  }

  async *#bytes(begin: number): AsyncGenerator<Buffer> {
    for (let position = begin; ; ) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const { bytesRead } = await this.#file.read(chunk, 0, chunk.length, position);
      if (bytesRead === 0) return;
      yield chunk.subarray(0, bytesRead);
      position += bytesRead;
    }
  }

  async *#content(entry: AsyncIterable<unknown>, signal: AbortSignal): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of entry) yield chunk as Buffer;
    } catch (error) {
      throw this.#asFailure(error, signal);
    }
  }

  /** What is neither the system's fault nor ours is the file's. */
  #asFailure(error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    if (error instanceof PipekitError) return error;
    const message = error instanceof Error ? error.message : String(error);
    if (!(error instanceof Error && "syscall" in error)) {
      return corruptArchive(this.path, `is no sound tar file (${message})`, error);
    }
    return unreadable(this.path, message, error);
  }
}

/** Throws unless the entry is what an export writes, whatever its name. */
function checkHeader({ type, name, linkname }: Header, path: string): void {
  if (type === "file" && !linkname) return;
  throw corruptArchive(path, `holds ${quoted(name)}, which is a ${type}`);
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 300));
}

/** The content of a small entry. Throws CORRUPT_ARCHIVE when it is not small. */
export async function readSmall(
  { name, size }: ArchiveEntry,
  content: AsyncIterable<Buffer>,
  path: string,
): Promise<Buffer> {
  if (size > MAX_SMALL_BYTES) throw corruptArchive(path, `holds ${quoted(name)} with ${size} bytes`);
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Reads content that nobody needs. */
export async function skip(content: AsyncIterable<Buffer>): Promise<void> {
  for await (const _ of content);
}

/** What the entries that were read add up to. */
export class RunningSums {
  readonly #sums = createHash("sha256");

  /** Hashes what passes; the line is added when it has passed. */
  async *through({ name, content }: ArchiveEntry): AsyncGenerator<Buffer> {
    const digest = createHash("sha256");
    for await (const chunk of content) {
      digest.update(chunk);
      yield chunk;
    }
    this.#sums.update(sumsLine(digest.digest("hex"), name));
  }

  /** SHA-256 of what SHA256SUMS should be. */
  digest(): string {
    return this.#sums.copy().digest("hex");
  }
}
