import { setTimeout as sleep } from "node:timers/promises";
import { PipekitError } from "@pipekit/proto";

/** Waits; an abort ends the wait. Keeps no process alive. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
}

/** Aborts when one of them does. */
export function anyOf(...signals: (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}

/** Whether the daemon was not there. */
export function isAway(error: unknown): boolean {
  return error instanceof PipekitError && error.code === "DAEMON_UNAVAILABLE";
}

/** A failure as the class that all faces know; a stranger becomes INTERNAL. */
export function asPipekitError(error: unknown): PipekitError {
  if (error instanceof PipekitError) return error;
  return new PipekitError("INTERNAL", error instanceof Error ? error.message : String(error), {
    cause: error,
  });
}

/** What who still waits is told when a view is closed. */
export function closed(): PipekitError {
  return new PipekitError("DAEMON_UNAVAILABLE", "The view is closed.", { mend: "Open it again." });
}
