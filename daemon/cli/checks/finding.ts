/** What a check of `pkx doctor` found. */
import { PipekitError } from "@pipekit/experiment";

/** A problem has its mend; a note may have one. */
export interface Finding {
  /** What was looked at, a few words; several findings may have one. */
  readonly check: string;
  readonly state: "ok" | "note" | "problem";
  readonly message: string;
  readonly mend?: string;
}

export function ok(check: string, message: string): Finding {
  return { check, state: "ok", message };
}

export function note(check: string, message: string, mend?: string): Finding {
  return { check, state: "note", message, ...(mend !== undefined && { mend }) };
}

export function problem(check: string, message: string, mend: string): Finding {
  return { check, state: "problem", message, mend };
}

/** A failure as a finding. */
export function failed(check: string, error: unknown): Finding {
  if (error instanceof PipekitError)
    return problem(check, error.message, error.mend || "Look at `pkx logs`.");
  return problem(check, String(error), "Look at `pkx logs`.");
}

/** The code of a failure of the system, such as `ENOSPC`. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
