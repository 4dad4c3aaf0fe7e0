import { PipekitError } from "@pipekit/proto";

/** A cache that cannot take a file: the limit, or what the system says. */
export class NoRoom extends Error {
  readonly mend: string;
  constructor(message: string, mend: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = "NoRoom";
    this.mend = mend;
  }

  /** What a caller is told who needs the file. */
  asStorageFull(): PipekitError {
    return new PipekitError("STORAGE_FULL", this.message, {
      field: "by_path",
      mend: `${this.mend} Or load the weights as a stream, which needs no room.`,
      cause: this,
    });
  }
}

/** What the system says of a folder that takes no more files, as half a sentence. */
const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "its owner's quota is used up",
  EFBIG: "the file is larger than the file system takes",
  EROFS: "the file system is read-only",
  EACCES: "the daemon's user may not write there",
  EPERM: "the daemon's user may not write there",
  EIO: "the disk has an I/O error",
  ENOENT: "the folder was removed meanwhile",
  ENOTDIR: "a file is in the way",
  EEXIST: "a file is in the way",
};

/** A failure to write in the cache folder as NoRoom. Other errors pass as they are. */
export function asNoRoom(error: unknown, folder: string): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const reason = error instanceof PipekitError ? undefined : REASONS[code];
  if (reason === undefined) return error;
  return new NoRoom(
    `Weights cannot be kept in ${folder}: ${reason}.`,
    "Make room there, for example with `pkx models cache clear`.",
    error,
  );
}
