import { type RunEntry, writingProcess } from "../journal/journal.ts";
import { type LiveProcess, liveProcess, startedAtUs } from "./processes.ts";

/**
 * A process younger than its run by more than this is another one that got the pid. Generous, because start times
 * in /proc move when the clock is set.
 */
const CLOCK_SLACK_US = 120 * 1e6;

/** The process of this host that writes a run; undefined when it is gone. */
export function processOfRun(run: Pick<RunEntry, "start" | "resume">): LiveProcess | undefined {
  const { pid, sinceUs } = writingProcess(run);
  return processSince(pid, sinceUs);
}

/** The process of this host that has the pid since then, unix microseconds; undefined when it is gone. */
export function processSince(pid: number, sinceUs: number): LiveProcess | undefined {
  const process = liveProcess(pid);
  const isOther = process !== undefined && startedAtUs(process) > sinceUs + CLOCK_SLACK_US;
  return isOther ? undefined : process;
}
