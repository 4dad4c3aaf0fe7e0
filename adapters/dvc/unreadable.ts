/** Why data cannot be read, in words. */
import { DatasetFault } from "../dataset.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  EACCES: "permission is denied",
  EISDIR: "it is a folder",
  ELOOP: "its links lead in a circle",
  FileMoves: "it changes while it is read",
};

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
