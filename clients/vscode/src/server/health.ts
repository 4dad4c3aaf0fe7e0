/** How things stand on the way to runs and models: the language server first, then the daemon behind it. */
import type { DaemonDocument } from "@pipekit/proto/editor";

export interface Health {
  /** As the daemon's, and `failed`: there is no language server. */
  readonly state: DaemonDocument["state"] | "failed";
  /** One sentence for a person, and what to do; empty where all is well. */
  readonly message: string;
  readonly mend: string;
  /** Whether promote, rollback and re-drive are allowed. */
  readonly mayChange: boolean;
}

export const STARTING: Health = { state: "connecting", message: "", mend: "", mayChange: false };

export function healthOf({ state, message, mend, mayChange }: DaemonDocument): Health {
  return { state, message, mend, mayChange };
}

export function failedHealth(message: string, mend: string): Health {
  return { state: "failed", message, mend, mayChange: false };
}

/** How long to wait before the next start of a server that ended, in milliseconds; `ended` counts ends in a row. */
export function restartDelay(ended: number): number {
  return Math.min(30_000, 500 * 2 ** Math.max(0, ended - 1));
}

/** The error of a request that finds no language server; its `data` is an EditorFailure, as that of all others. */
export function unavailable({ message, mend }: Health): Error & { data: unknown } {
  const text = message || "The language server does not run.";
  return Object.assign(new Error(text), {
    data: { code: "DAEMON_UNAVAILABLE", message: text, field: "", mend },
  });
}
