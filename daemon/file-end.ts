import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/** The last `most` bytes of a text; empty when there is no such file, it is something else, or it cannot be read. */
export function endOfFile(file: string, most: number): string {
  let handle: number;
  try {
    // A pipe that lies there must not hold up who opens it; it has no size.
    handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return "";
  }
  try {
    const { size } = fstatSync(handle);
    const bytes = Buffer.alloc(Math.min(size, most));
    return bytes.toString("utf8", 0, readSync(handle, bytes, 0, bytes.length, size - bytes.length));
  } finally {
    closeSync(handle);
  }
}
