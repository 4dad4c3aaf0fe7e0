/** Names of a run's folder and file, as W&B's own client chooses them: `wandb sync` looks for these. */
import { join } from "node:path";
import type { SinkRun } from "@pipekit/adapters/tracker";

/** Below the spec's folder. */
export const RUNS = "wandb";

/** `offline-run-YYYYMMDD_HHMMSS-<id>`; the time is the run's start in UTC. */
export function runFolder(run: Pick<SinkRun, "runId" | "startedAtUs">): string {
  const start = new Date(run.startedAtUs / 1000);
  const [date = "", time = ""] = (Number.isNaN(start.getTime()) ? new Date(0) : start)
    .toISOString()
    .split("T");
  return `offline-run-${date.replaceAll("-", "")}_${time.slice(0, 8).replaceAll(":", "")}-${run.runId}`;
}

/** The `.wandb` file in a run's folder. */
export function logFile(folder: string, runId: string): string {
  return join(folder, `run-${runId}.wandb`);
}
