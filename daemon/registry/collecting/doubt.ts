/** What ends a collection: it deletes nothing on a guess. */
import { PipekitError } from "@pipekit/proto";

/** What is to be thrown when a collection cannot be sure of something, or cannot go on. */
export function asDoubt(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return error;
  if (!(error instanceof PipekitError)) {
    const why = error instanceof Error ? error.message : String(error);
    return doubt(`something failed: ${why}`, "", "See the daemon's log, then collect again.", error);
  }
  // The others say themselves what is wrong with the request or the server.
  if (error.code !== "CORRUPT_MODEL") return error;
  return new PipekitError("GC_ABORTED", `Nothing more was deleted: ${error.message}`, {
    field: error.field,
    mend: error.mend,
    cause: error,
  });
}

/** `why` is a clause, `key` that of the file at fault. */
export function doubt(why: string, key: string, mend: string, cause?: unknown): PipekitError {
  return new PipekitError("GC_ABORTED", `Nothing more was deleted: ${why}.`, { field: key, mend, cause });
}
