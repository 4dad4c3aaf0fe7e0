/** Writes an archive beside its name, and gives it the name when it is whole and durable. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type FileHandle, link, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { isFull } from "@pipekit/adapters/file-faults";
import { syncFolder } from "@pipekit/adapters/files";
import { PipekitError } from "@pipekit/proto";
import type { Pack } from "tar-stream";
import { sha256 } from "../../manifest.ts";
import { SUMS, sumsLine } from "./form.ts";

/** Takes the entries of an archive, one after the other. */
export interface ArchiveWriter {
  add(name: string, bytes: Buffer, atUs: number): Promise<void>;
  /** `sha256` is what the chunks have, or they throw. */
  addLarge(
    name: string,
    content: { readonly sha256: string; readonly size: number; readonly chunks: AsyncIterable<Buffer> },
    atUs: number,
  ): Promise<void>;
}

/**
 * Calls `fill` for the entries and adds the last one. The file appears when it is whole; a failure or an abort leaves
 * nothing. Throws INVALID_ARGUMENT, STORAGE_FULL.
 */
export async function writeArchive(
  path: string,
  overwrite: boolean,
  signal: AbortSignal,
  fill: (writer: ArchiveWriter) => Promise<void>,
): Promise<void> {
  // Before anything is read; whoever makes the file meanwhile is found at the end.
  if (!overwrite && (await isThere(path))) throw taken(path);
  const part = `${path}.part-${randomUUID()}`;
  const file = await openPart(part, path);
  try {
    await fillPart(file, signal, fill);
    await file.sync();
    await file.close();
    await (overwrite ? rename(part, path) : link(part, path));
    await syncFolder(dirname(path));
  } catch (error) {
    throw asWriteFailure(error, path);
  } finally {
    await file.close().catch(() => undefined);
    await rm(part, { force: true });
  }
}

async function fillPart(
  file: FileHandle,
  signal: AbortSignal,
  fill: (writer: ArchiveWriter) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const working = AbortSignal.any([signal, stop.signal]);
  // Not with the daemon: few of its lives write an archive.
  // The default export: a bundler does not see the named ones of a CommonJS package that is loaded late.
  const { pack } = (await import("tar-stream")).default;
  const tar = pack();
  const written = file.writeFile(bytesOf(tar), { signal: working });
  // A disk that is full ends the filling as well.
  written.catch((error: unknown) => stop.abort(error));
  const writer = new TarWriter(tar, working);
  try {
    await fill(writer);
    await writer.end();
  } catch (error) {
    stop.abort(error);
    await written.catch(() => undefined);
    throw working.aborted ? working.reason : error;
  }
  await written;
}

class TarWriter implements ArchiveWriter {
  readonly #tar: Pack;
  readonly #signal: AbortSignal;
  readonly #sums: Buffer[] = [];

  constructor(tar: Pack, signal: AbortSignal) {
    this.#tar = tar;
    this.#signal = signal;
  }

  async add(name: string, bytes: Buffer, atUs: number): Promise<void> {
    const chunks = bytes.length === 0 ? [] : [bytes];
    await this.addLarge(name, { sha256: sha256(bytes), size: bytes.length, chunks: each(chunks) }, atUs);
  }

  async addLarge(
    name: string,
    content: { readonly sha256: string; readonly size: number; readonly chunks: AsyncIterable<Buffer> },
    atUs: number,
  ): Promise<void> {
    await this.#entry(name, content.size, content.chunks, atUs);
    this.#sums.push(Buffer.from(sumsLine(content.sha256, name)));
  }

  async end(): Promise<void> {
    const sums = Buffer.concat(this.#sums);
    await this.#entry(SUMS, sums.length, each([sums]), 0);
    this.#tar.finalize();
  }

  async #entry(name: string, size: number, chunks: AsyncIterable<Buffer>, atUs: number): Promise<void> {
    this.#signal.throwIfAborted();
    const ended = Promise.withResolvers<void>();
    const header = { name, size, mode: 0o644, type: "file", mtime: new Date(atUs / 1000) } as const;
    const entry = this.#tar.entry(header, (error) => (error ? ended.reject(error) : ended.resolve()));
    ended.promise.catch(() => undefined);
    for await (const chunk of chunks) {
      if (!entry.write(chunk)) await once(entry, "drain", { signal: this.#signal });
    }
    entry.end(null);
    await Promise.race([ended.promise, aborted(this.#signal)]);
  }
}

async function* bytesOf(tar: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  for await (const chunk of tar) yield chunk as Buffer;
}

async function* each(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

async function openPart(part: string, path: string): Promise<FileHandle> {
  try {
    return await open(part, "wx", 0o644);
  } catch (error) {
    throw asWriteFailure(error, path);
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function asWriteFailure(error: unknown, path: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EEXIST") return taken(path);
  if (isFull(error)) {
    return new PipekitError("STORAGE_FULL", `There is no room for ${path}.`, {
      field: "path",
      mend: "Free space, or export to another disk.",
      cause: error,
    });
  }
  const reasons = ["ENOENT", "ENOTDIR", "EACCES", "EROFS", "EPERM", "EISDIR", "ENAMETOOLONG"];
  if (typeof code !== "string" || !reasons.includes(code)) return error;
  return new PipekitError("INVALID_ARGUMENT", `${path} cannot be written: ${code}.`, {
    field: "path",
    mend: "Name a file in a folder that exists and that the daemon's user may write.",
    cause: error,
  });
}

function taken(path: string): PipekitError {
  return new PipekitError("INVALID_ARGUMENT", `${path} is there already.`, {
    field: "path",
    mend: "Choose another name, or give `overwrite`.",
  });
}
