/**
 * The files of the audit log: `audit/<seq of the first entry, 15 digits>.jsonl`, in the order of their names. None is ever
 * changed after the next one was begun, and none is ever removed here.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";

const NAME = /^(\d{15})\.jsonl$/;

/** A file of the log. */
export interface LogFile {
  readonly path: string;
  readonly name: string;
  /** Seq of its first entry, by its name. */
  readonly firstSeq: number;
}

export function logFile(folder: string, firstSeq: number): LogFile {
  const name = `${String(firstSeq).padStart(15, "0")}.jsonl`;
  return { path: join(folder, name), name, firstSeq };
}

/** The files of a log, oldest first; none where there is no folder. */
export function logFiles(folder: string): LogFile[] {
  const names = readNames(folder).filter((name) => NAME.test(name));
  return names.sort().map((name) => logFile(folder, Number.parseInt(name, 10)));
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
