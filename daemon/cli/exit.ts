import type { FailureCode } from "@pipekit/proto";

/** Exit codes of every command; told in the help text. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  unavailable: 5,
  corrupt: 6,
  interrupted: 130,
} as const;

export const EXIT_HELP = `Exit codes: 0 done; 1 failed or problems found; 2 wrong command line or name; 3 not found;
4 conflict (a tag points elsewhere); 5 no daemon, or no server of the registry, answers; 6 corrupt data; 130 interrupted.
With --json a failure is a line of JSON on standard error: {"error": {code, message, field, mend}}.`;

const BY_CODE: { readonly [code in FailureCode]?: number } = {
  INVALID_ARGUMENT: EXIT.usage,
  INVALID_REGISTRY_SPEC: EXIT.usage,
  INVALID_TRACKER_SPEC: EXIT.usage,
  REF_INVALID: EXIT.usage,
  REF_AMBIGUOUS: EXIT.usage,
  TAG_NAME_INVALID: EXIT.usage,
  NOT_AN_OPERATOR: EXIT.usage,
  INVALID_CONFIG: EXIT.usage,
  REF_NOT_FOUND: EXIT.notFound,
  RUN_NOT_FOUND: EXIT.notFound,
  ARTIFACT_UNREADABLE: EXIT.notFound,
  SOURCE_UNREADABLE: EXIT.notFound,
  TAG_EXISTS: EXIT.conflict,
  TAG_CONFLICT: EXIT.conflict,
  GC_ABORTED: EXIT.conflict,
  DAEMON_UNAVAILABLE: EXIT.unavailable,
  PROTOCOL_MISMATCH: EXIT.unavailable,
  REGISTRY_UNAVAILABLE: EXIT.unavailable,
  CORRUPT_MODEL: EXIT.corrupt,
  CORRUPT_JOURNAL: EXIT.corrupt,
  CORRUPT_ARCHIVE: EXIT.corrupt,
  CORRUPT_AUDIT: EXIT.corrupt,
  CORRUPT_ARTIFACT: EXIT.corrupt,
  CORRUPT_BACKUP: EXIT.corrupt,
  CORRUPT_DATASET: EXIT.corrupt,
  DATASET_NOT_FOUND: EXIT.notFound,
  DATASET_LOCKED: EXIT.conflict,
  DATASET_CHANGED: EXIT.conflict,
  DATASET_REMOTE_UNAVAILABLE: EXIT.unavailable,
};

/** The exit code of a failure. */
export function exitCodeOf(code: FailureCode): number {
  return BY_CODE[code] ?? EXIT.failed;
}
