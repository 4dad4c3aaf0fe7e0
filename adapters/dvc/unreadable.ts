/** Why data cannot be read, in words. */
import { DatasetFault } from "../dataset.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  EACCES: "permission is denied",
  EISDIR: "it is a folder",
  ELOOP: "its links lead in a circle",
  FileMoves: "it changes while it is read",
};

/** What the system says of a place where its rules, and no fault of the daemon's, keep a call from its work. */
const REFUSALS: Readonly<Record<string, string>> = {
  EACCES: "permission is denied",
  EPERM: "it is not permitted",
  EROFS: "the file system is read-only",
  ENAMETOOLONG: "the name is too long",
  ENOTDIR: "a file is where a folder is looked for",
  EISDIR: "a folder is where a file is looked for",
  EIO: "the disk fails",
};

/** Runs a call; what the system refuses to it becomes a DatasetFault `unreadable` that names the path. */
export async function sayingWhy<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof DatasetFault || !(error instanceof Error) || !("code" in error)) throw error;
    const reason = REFUSALS[String(error.code)];
    const path = "dest" in error ? error.dest : "path" in error ? error.path : undefined;
    if (reason === undefined || typeof path !== "string") throw error;
    throw new DatasetFault("unreadable", `${path} cannot be worked with: ${reason}.`, {
      field: path,
      mend: "Let the daemon's user read and write there; then run it again.",
      cause: error,
    });
  }
}

/** The failure for data that cannot be read, by the system's code. */
export function unreadable(path: string, code: string, cause?: unknown): DatasetFault {
  if (code === "ENOSPC" || code === "EDQUOT") {
    // The room above knows a full disk by the system's code.
    throw Object.assign(new Error(`The disk is full: ${path}`), { code });
  }
  return new DatasetFault(
    "unreadable",
    `${path} cannot be read: ${REASONS[code] ?? `the system says ${code}`}.`,
    {
      field: path,
      mend: "Give data that the daemon's user can read, and that nothing writes to.",
      cause,
    },
  );
}
