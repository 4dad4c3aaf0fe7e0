/**
 * Reads a file once for its hashes, and for a copy of it if one is wanted. Synchronous: it runs in worker threads, and in
 * the main one for little that is read at once.
 */
import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { legacyPart } from "./legacy-digest.ts";

/** DVC reads so much at once, and judges each part anew whether it is text. */
const CHUNK_BYTES = 1024 * 1024;

/** What is wanted of a file. */
export interface DigestJob {
  readonly path: string;
  /** Which hashes; `md5-dos2unix` instead of `md5` for what DVC 2 recorded. */
  readonly md5: "none" | "md5" | "md5-dos2unix";
  readonly sha256: boolean;
  /** A new file that gets the bytes that were hashed, durable, of mode 0600. */
  readonly copyTo?: string;
  /** Whether the file itself is made durable. */
  readonly syncs?: boolean;
}

/** What tells a file that was not touched from one that was. */
export interface Stamp {
  readonly device: bigint;
  readonly inode: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** Unix nanoseconds. */
  readonly modifiedNs: bigint;
  readonly changedNs: bigint;
}

/** Hashes in lowercase hex, empty when not wanted. */
export interface FileDigest {
  readonly md5: string;
  readonly sha256: string;
  readonly stamp: Stamp;
}

/** What became of a job; a failure by the system's code. */
export type JobResult =
  | { readonly digest: FileDigest }
  | { readonly failure: { readonly code: string; readonly message: string } };

/** A file that is written to while it is read has no hash. */
export class FileMoves extends Error {
  constructor(path: string) {
    super(`${path} changes while it is read.`);
    this.name = "FileMoves";
  }
}

export function stampOf(info: {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}): Stamp {
  return {
    device: info.dev,
    inode: info.ino,
    size: info.size,
    modifiedNs: info.mtimeNs,
    changedNs: info.ctimeNs,
  };
}

export function isSameStamp(a: Stamp, b: Stamp): boolean {
  return (
    a.inode === b.inode &&
    a.device === b.device &&
    a.size === b.size &&
    a.modifiedNs === b.modifiedNs &&
    a.changedNs === b.changedNs
  );
}

/** Throws what the system says, and FileMoves. `onBytes` is told of each part; what it throws ends the reading. */
export function digestFile(job: DigestJob, onBytes?: (bytes: number) => void): FileDigest {
  // Without O_NONBLOCK the opening of a pipe without a writer would never return.
  const source = openSync(job.path, constants.O_RDONLY | constants.O_NONBLOCK);
  let sink: number | undefined;
  try {
    const before = stampOf(fstatSync(source, { bigint: true }));
    if (job.copyTo !== undefined) sink = openSync(job.copyTo, "wx", 0o600);
    const md5 = job.md5 === "none" ? undefined : createHash("md5");
    const sha256 = job.sha256 ? createHash("sha256") : undefined;
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, Number(before.size) + 1));
    for (;;) {
      const length = readFull(source, buffer);
      if (length === 0) break;
      const part = buffer.subarray(0, length);
      md5?.update(job.md5 === "md5-dos2unix" ? legacyPart(part) : part);
      sha256?.update(part);
      if (sink !== undefined) writeFull(sink, part);
      onBytes?.(length);
    }
    if (sink !== undefined) fsyncSync(sink);
    if (job.syncs === true) fsyncSync(source);
    const stamp = stampOf(fstatSync(source, { bigint: true }));
    if (!isSameStamp(before, stamp)) throw new FileMoves(job.path);
    return { md5: md5?.digest("hex") ?? "", sha256: sha256?.digest("hex") ?? "", stamp };
  } finally {
    closeSync(source);
    if (sink !== undefined) closeSync(sink);
  }
}

/** The same, with a failure that a thread can send. */
export function attempt(job: DigestJob, onBytes?: (bytes: number) => void): JobResult {
  try {
    return { digest: digestFile(job, onBytes) };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return { failure: { code: code || (error instanceof Error ? error.name : ""), message: String(error) } };
  }
}

/** Fills the buffer unless the file ends before. */
function readFull(source: number, buffer: Buffer): number {
  let done = 0;
  while (done < buffer.length) {
    const length = readSync(source, buffer, done, buffer.length - done, null);
    if (length === 0) break;
    done += length;
  }
  return done;
}

function writeFull(sink: number, part: Buffer): void {
  for (let done = 0; done < part.length; ) done += writeSync(sink, part, done, part.length - done);
}
