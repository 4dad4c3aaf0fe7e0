/** The lines of the log as they stand on the disk. */
import { open } from "node:fs/promises";
import { MAX_LINE_BYTES } from "./entry.ts";
import type { LogFile } from "./files.ts";

/** A line with its place. `text` is undefined where it is too long to be an entry, or has no end. */
export interface Line {
  readonly file: string;
  /** From 1. */
  readonly number: number;
  readonly text: string | undefined;
  /** Where the next line begins, bytes. */
  readonly next: number;
}

const STEP_BYTES = 256 * 1024;

/** Lines of a file from the byte `from` up to the byte `to`. The number of the first is 1. Throws faults of the file system. */
export async function* linesOf(file: LogFile, from = 0, to = Number.POSITIVE_INFINITY): AsyncGenerator<Line> {
  const handle = await open(file.path, "r");
  try {
    let rest = Buffer.alloc(0);
    let at = from;
    let number = 0;
    while (true) {
      const want = Math.min(STEP_BYTES, to - at - rest.length);
      const { bytesRead, buffer } = await handle.read(
        Buffer.alloc(Math.max(want, 0)),
        0,
        undefined,
        at + rest.length,
      );
      rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      let end = rest.indexOf(10);
      while (end >= 0) {
        at += end + 1;
        yield { file: file.name, number: ++number, text: textOf(rest.subarray(0, end)), next: at };
        rest = rest.subarray(end + 1);
        end = rest.indexOf(10);
      }
      if (bytesRead === 0 || rest.length > MAX_LINE_BYTES) break;
    }
    if (rest.length > 0)
      yield { file: file.name, number: number + 1, text: undefined, next: at + rest.length };
  } finally {
    await handle.close();
  }
}

/** The text of bytes that are UTF-8. */
function textOf(bytes: Buffer): string | undefined {
  if (bytes.length > MAX_LINE_BYTES) return undefined;
  const text = bytes.toString();
  // Bytes that are no UTF-8 come back as others.
  return Buffer.from(text).equals(bytes) ? text : undefined;
}
