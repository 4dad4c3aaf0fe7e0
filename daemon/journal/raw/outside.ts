import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { readLog } from "./log.ts";
import { HEADER, parseHeader } from "./pages.ts";

/**
 * What is wrong with a journal from outside, in a few words: SQLite would begin anew, read zeros, or forget commits
 * without a word. Undefined when nothing is. Reads the header, and the log when the last user did not close the file.
 * Throws what reading files throws.
 */
export function outsideDamage(file: string): string | undefined {
  const handle = openSync(file, "r");
  try {
    const size = fstatSync(handle).size;
    const log = readLog(`${file}-wal`);
    // Another process may have begun a new round while this one read.
    if (log?.damaged === true && readLog(`${file}-wal`)?.damaged === true) {
      return "its write-ahead log is damaged before the last commit";
    }
    if (size === 0) return log === undefined ? undefined : "it is empty, but its write-ahead log is not";
    const bytes = Buffer.alloc(HEADER);
    readSync(handle, bytes, 0, HEADER, 0);
    const header = parseHeader(bytes);
    if (header === undefined) return "it does not begin as a journal does";
    // Pages that are still in the log may be missing from the file.
    if (log === undefined && size < header.pages * header.pageSize) {
      return `it is cut off after ${size} of ${header.pages * header.pageSize} bytes`;
    }
    return undefined;
  } finally {
    closeSync(handle);
  }
}
