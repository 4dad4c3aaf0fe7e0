/** What the daemon's parser tells of a config, as an editor should tell it. */
import type { ConfigProblem } from "@pipekit/proto";
import type { ConfigKind } from "./config-kind.ts";
import type { ConfigFinding } from "./finding.ts";

/** Codes about values that other files of the composition, or the environment of the run, may give. */
const ELSEWHERE = new Set(["interpolation", "resolver", "secret"]);

/** A problem as a finding; undefined where it says nothing about this file. */
export function findingOf(
  { code, message, mend, range, isError }: ConfigProblem,
  kind: ConfigKind,
  text: string,
): ConfigFinding | undefined {
  const full = mend === "" ? message : `${message} ${mend}`;
  if (code === "missing") {
    // In a part, `???` is how a config says that a value must be given: worth a look, no fault.
    return { code, message: full, range, severity: kind === "composed" ? "warning" : "hint" };
  }
  if (ELSEWHERE.has(code)) {
    if (kind === "part" || readsEnvironment(text, range)) return undefined;
    return { code, message: full, range, severity: isError ? "warning" : "hint" };
  }
  if (!isError) return { code, message: full, range, severity: "information" };
  return { code, message: full, range, severity: "error" };
}

/** Whether the value reads a variable: the editor's environment is not the run's, and none of it is sent to the daemon. */
function readsEnvironment(text: string, range: ConfigProblem["range"]): boolean {
  if (range?.start === undefined || range.end === undefined) return false;
  const lines = text.split("\n").slice(range.start.line, range.end.line + 1);
  return lines.some((line) => line.includes("oc.env"));
}
