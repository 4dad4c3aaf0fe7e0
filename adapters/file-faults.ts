/** What the operating system says about files, as answers of an adapter. */
import { SourceUnreadable } from "./registry.ts";
import type { RetryResult } from "./tracker.ts";

const FAULTS: Readonly<Record<string, string>> = {
  ENOSPC: "has no space left",
  EDQUOT: "is beyond its owner's quota",
  EFBIG: "has grown to the largest size that is allowed",
  EIO: "cannot be read or written (an I/O error of the disk)",
  EROFS: "is on a file system that is read-only",
  EACCES: "may not be written by the daemon's user",
  EPERM: "may not be written by the daemon's user",
  ENOENT: "is gone",
  ENOTDIR: "has a file where a folder should be",
  EEXIST: "has a file where a folder should be",
  EISDIR: "is a folder where a file should be",
  ELOOP: "is a symbolic link, which is not followed",
  ENAMETOOLONG: "has a longer name than the file system takes",
  EMFILE: "cannot be opened, since too many files are open",
  ENFILE: "cannot be opened, since too many files are open",
  ESTALE: "is on a network file system that was mounted anew",
  ETIMEDOUT: "is on a network file system that does not answer",
};

/** Why a file is not ours to write, in one sentence, such as that it is a pipe. */
export class FileRefusal extends Error {}

/**
 * The setback that a file operation on or below `path` met. All of them pass when a person mends the disk, so none is
 * permanent. Anything that is no fault of the file system is thrown on.
 */
export function fileSetback(thrown: unknown, path: string): RetryResult {
  // A source that cannot be read has the system's word as its cause.
  const error = thrown instanceof SourceUnreadable ? thrown.cause : thrown;
  if (error instanceof FileRefusal) return { status: "retry", reason: error.message };
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") throw thrown;
  const said = FAULTS[error.code];
  const at = "path" in error && typeof error.path === "string" ? error.path : path;
  return { status: "retry", reason: `${at} ${said ?? `cannot be written (${error.code})`}.` };
}

/** Whether this is the operating system's answer that there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

/** Whether this is the operating system's answer that there is no room: the disk is full, or the owner's quota. */
export function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

/** For `catch`: undefined when there is no such file. Throws anything else on. */
export function unlessMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}
