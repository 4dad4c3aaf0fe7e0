/** How a log ends: where the next entry goes, and what a crash left there. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type Head, MAX_LINE_BYTES, NO_HEAD, readEntry, sha256 } from "./entry.ts";
import { type LogFile, logFiles } from "./files.ts";

/** The end of a log. */
export interface Tail {
  readonly head: Head;
  /** The file to go on with and its length after the torn end is cut, bytes; undefined: begin a new one. */
  readonly file: LogFile | undefined;
  readonly length: number;
  /** Bytes behind the last whole line: of an entry whose writing was broken off. */
  readonly torn: number;
  /** Name of the file whose last line is whole but no entry; empty when all is well. */
  readonly damaged: string;
}

/** Looks at the end of the log, and at nothing else: a start must be quick. Throws faults of the file system. */
export function tailOf(folder: string): Tail {
  const files = logFiles(folder);
  let cut: { readonly file: LogFile; readonly torn: number } | undefined;
  for (const file of files.toReversed()) {
    const { size, end } = readEnd(file.path);
    const torn = end.length - (end.lastIndexOf(10) + 1);
    const whole = end.subarray(0, end.length - torn);
    if (whole.length === 0 && torn === size && cut === undefined) {
      // Begun, and no entry of it was finished: the chain ends in the file before.
      cut = { file, torn };
      continue;
    }
    const line = whole.subarray(whole.lastIndexOf(10, -2) + 1, -1);
    const entry = readEntry(line.toString());
    if (entry === undefined || (cut !== undefined && torn > 0)) {
      return {
        head: { seq: lastSeq(line, files), digest: sha256(line) },
        file: undefined,
        length: 0,
        torn: 0,
        damaged: file.name,
      };
    }
    const head = { seq: entry.seq, digest: entry.digest };
    const at = cut ?? { file, torn };
    return { head, file: at.file, length: cut === undefined ? size - torn : 0, torn: at.torn, damaged: "" };
  }
  return { head: NO_HEAD, file: cut?.file, length: 0, torn: cut?.torn ?? 0, damaged: "" };
}

/** The seq to go on from behind a line that is no entry: larger than any that the log can have. */
function lastSeq(line: Buffer, files: readonly LogFile[]): number {
  const told = Number(/"seq":(\d{1,14})[,}]/.exec(line.toString("latin1"))?.[1] ?? 0);
  return Math.max(told, files.at(-1)?.firstSeq ?? 0);
}

function readEnd(path: string): { readonly size: number; readonly end: Buffer } {
  const fd = openSync(path, "r");
  try {
    const { size } = fstatSync(fd);
    const end = Buffer.alloc(Math.min(size, 2 * MAX_LINE_BYTES));
    const read = readSync(fd, end, 0, end.length, size - end.length);
    return { size, end: end.subarray(0, read) };
  } finally {
    closeSync(fd);
  }
}
