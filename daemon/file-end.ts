import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** The last `most` bytes of a text; empty when there is no such file, or it cannot be read. */
export function endOfFile(file: string, most: number): string {
  let handle: number;
  try {
    handle = openSync(file, "r");
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
