/** `pkx` as one file that brings its own Node; daemon/deploy/sea makes it. */
import { closeSync, openSync, readSync } from "node:fs";

/** How programs of Linux, macOS and Windows begin, latin1. */
const NATIVE = ["\x7fELF", "\xcf\xfa\xed\xfe", "MZ"];

/** Whether a file is a program of the system, and no script. */
export function isNative(program: string): boolean {
  const head = Buffer.alloc(4);
  try {
    const file = openSync(program, "r");
    try {
      readSync(file, head, 0, head.length, 0);
    } finally {
      closeSync(file);
    }
  } catch {
    return false;
  }
  return NATIVE.some((mark) => head.toString("latin1").startsWith(mark));
}

/** Whether this process is it. */
export function isSingleExecutable(): boolean {
  // Asked late: not every runtime of clients has the module.
  return process.getBuiltinModule?.("node:sea")?.isSea() === true;
}
