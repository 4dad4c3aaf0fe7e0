import { type RunEntry, writingProcess } from "../journal/journal.ts";
import { type LiveProcess, liveProcess, startedAtUs } from "../lifecycle/processes.ts";

/** A process that began longer than this after its run got the pid of an earlier one; clocks may be set meanwhile. */
const CLOCK_SLACK_US = 120e6;

/** The process that writes a run; undefined when it is gone. */
export function processOfRun(run: Pick<RunEntry, "start" | "resume">): LiveProcess | undefined {
  const { pid, sinceUs } = writingProcess(run);
  const process = liveProcess(pid);
  const isOther = process !== undefined && startedAtUs(process) > sinceUs + CLOCK_SLACK_US;
  return isOther ? undefined : process;
}

export function stillLives(process: LiveProcess): boolean {
  return liveProcess(process.pid)?.startTicks === process.startTicks;
}
