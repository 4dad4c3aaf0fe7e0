import { PipekitError } from "@pipekit/proto";

const REFUSALS: ReadonlySet<string> = new Set([
  "INVALID_ARGUMENT",
  "INVALID_CONFIG",
  "INVALID_FRAME",
  "RUN_NOT_FOUND",
  "RUN_EXISTS",
  "RUN_ENDED",
  "RUN_PRUNED",
]);

/** Whether a journal will not have a frame, now or later; any other failure says nothing of the frame. */
export function refusesFrame(error: unknown): error is PipekitError {
  return error instanceof PipekitError && REFUSALS.has(error.code);
}
