import type { ConfigRange } from "@pipekit/proto";

/** Something that a check has found in a config. */
export interface ConfigFinding {
  readonly code: string;
  /** What is wrong, and where it is not plain, what to do. */
  readonly message: string;
  /** Undefined only where the daemon left it out: then it is the whole file's. */
  readonly range: ConfigRange | undefined;
  readonly severity: "error" | "warning" | "information" | "hint";
  /** What to write in its place, quotes apart. */
  readonly replaceBy?: string | undefined;
}
