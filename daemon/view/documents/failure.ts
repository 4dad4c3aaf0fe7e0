import { PipekitError } from "@pipekit/proto";
import type { EditorFailure } from "@pipekit/proto/editor";

/** A failure as it stands in JSON. What is no PipekitError is a fault of ours: INTERNAL. */
export function failureDocument(error: unknown): EditorFailure {
  const { code, message, field, mend } =
    error instanceof PipekitError ? error : new PipekitError("INTERNAL", reasonOf(error));
  return { code, message, field, mend };
}

/** What an error says, in a line. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
