import type { FailureCode } from "@pipekit/proto";

/**
 * A failure as it travels from a worker to the main thread. Workers do not load PipekitError: it brings gRPC along,
 * 17 MB for each worker.
 */
export interface Fault {
  readonly code: FailureCode;
  readonly message: string;
  readonly field?: string;
  readonly mend?: string;
}

/** Thrown inside a worker: this operation is refused, the others of its group are not. */
export class Refusal extends Error {
  readonly fault: Fault;
  constructor(code: FailureCode, message: string, options: { field?: string; mend?: string } = {}) {
    super(message);
    this.name = "Refusal";
    this.fault = { code, message, ...options };
  }
}

/** A fault as what an operation throws. */
export function refusalOf({ code, message, ...options }: Fault): Refusal {
  return new Refusal(code, message, options);
}

const ERROR = 1;
const BUSY = 5;
const READONLY = 8;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;
/**
 * I/O errors of writing, syncing, truncating and of growing the shared index. SQLite says FULL for ENOSPC in write()
 * only; a quota, or a network file system that reports at fsync, ends in one of these.
 */
const WRITE_REFUSED: readonly number[] = [778, 1034, 1546, 4874];

/** What SQLite says of damaged JSON, text, and tables that are gone, under the code of any mistake in a statement. */
const DAMAGE = /^malformed JSON|^no such (table|column)|^unsupported file format/;

/** Any error of SQLite or of opening the file, as a fault that names the journal. */
export function toFault(error: unknown, file: string): Fault {
  if (error instanceof Refusal) return error.fault;
  // JSON that stands in a table was written as such.
  if (error instanceof SyntaxError) return corrupt("a row of its tables cannot be read", file);
  const message = error instanceof Error ? error.message : String(error);
  const code = property(error, "errcode");
  if (typeof code === "number") return sqliteFault(code, message, file);
  const systemCode = property(error, "code");
  // A number in a row that no journal writes.
  if (systemCode === "ERR_OUT_OF_RANGE") return corrupt("a row of its tables cannot be read", file);
  if (systemCode === "ENOSPC" || systemCode === "EDQUOT") return full(message, file);
  if (
    systemCode === "EACCES" ||
    systemCode === "EPERM" ||
    systemCode === "EROFS" ||
    systemCode === "ENOENT"
  ) {
    return unopened(message, file);
  }
  return { code: "INTERNAL", message: `The journal failed unexpectedly: ${message}.`, field: file };
}

function sqliteFault(extended: number, message: string, file: string): Fault {
  const primary = extended & 0xff;
  if (primary === FULL || WRITE_REFUSED.includes(extended)) return full(message, file);
  if (primary === CORRUPT || primary === NOTADB) return corrupt(message, file);
  if (primary === ERROR && DAMAGE.test(message)) return corrupt(message, file);
  if (primary === CANTOPEN || primary === READONLY) return unopened(message, file);
  if (primary === BUSY) {
    return {
      code: "DAEMON_UNAVAILABLE",
      message: `The journal ${file} is locked by another process.`,
      field: file,
      mend: "Stop the other process that has this state folder open, then try again.",
    };
  }
  return { code: "INTERNAL", message: `The journal failed unexpectedly: ${message}.`, field: file };
}

/** The journal file is damaged, or is no journal. */
export function corrupt(detail: string, file: string): Fault {
  return {
    code: "CORRUPT_JOURNAL",
    message: `The journal ${file} is damaged: ${detail}.`,
    field: file,
    mend: "Stop the daemon (`pkx stop`) and use `pkx journal salvage`: it brings what is intact of journal.db into a new journal.",
  };
}

function full(detail: string, file: string): Fault {
  return {
    code: "STORAGE_FULL",
    message: `The disk or quota of the journal ${file} is full: ${detail}.`,
    field: file,
    mend: "Free disk space and send again; what was acknowledged is safe.",
  };
}

function unopened(detail: string, file: string): Fault {
  return {
    code: "UNSAFE_FOLDER",
    message: `The journal ${file} cannot be opened for writing: ${detail}.`,
    field: file,
    mend: "Make the state folder and the files in it writable by the daemon's user.",
  };
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
