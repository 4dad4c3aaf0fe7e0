import type { RunStart } from "@pipekit/proto";
import { type LiveProcess, liveProcess, startedAtUs } from "../lifecycle/processes.ts";

/** A process that began longer than this after its run got the pid of an earlier one; clocks may be set meanwhile. */
const CLOCK_SLACK_US = 120e6;

/** The process that started a run; undefined when it is gone. */
export function processOfRun(start: RunStart): LiveProcess | undefined {
  const process = liveProcess(start.pid);
  const isOther = process !== undefined && startedAtUs(process) > start.startedAtUs + CLOCK_SLACK_US;
  return isOther ? undefined : process;
}

export function stillLives(process: LiveProcess): boolean {
  return liveProcess(process.pid)?.startTicks === process.startTicks;
}
