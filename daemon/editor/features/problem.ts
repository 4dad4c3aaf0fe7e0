/** A diagnostic of ours: its code, which editors show and quick fixes go by, and what it says. */
import type { PipekitError } from "@pipekit/proto";
import { DiagnosticSeverity } from "vscode-languageserver/node";

export const SOURCE = "pipekit";

export const CODES = {
  unknownTag: "unknown-tag",
  unknownModel: "unknown-model",
  ambiguousRef: "ambiguous-ref",
  invalidRef: "invalid-ref",
  tagMoved: "tag-moved",
  stalePin: "stale-pin",
  unknownRun: "unknown-run",
  invalidRegistry: "invalid-registry",
} as const;

export interface Problem {
  readonly code: (typeof CODES)[keyof typeof CODES];
  readonly severity: DiagnosticSeverity;
  readonly message: string;
}

export function warning(code: Problem["code"], message: string): Problem {
  return { code, severity: DiagnosticSeverity.Warning, message };
}

/** What the daemon would say, said before. */
export function faulty(code: Problem["code"], { message, mend }: PipekitError): Problem {
  return warning(code, `${message} ${mend}`.trim());
}
