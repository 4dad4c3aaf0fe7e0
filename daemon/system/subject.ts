import { hostname } from "node:os";
import { type Journal, type RunEntry, writingProcess } from "../journal/journal.ts";
import { processSince } from "../lifecycle/index.ts";
import type { LiveProcess } from "../lifecycle/processes.ts";

/** A process that is sampled as a part of a run. */
export interface Subject {
  /** One for each process and run. */
  readonly id: string;
  readonly process: LiveProcess;
  /** Milliseconds between two samples, as asked for. */
  readonly askedMs: number;
  /** Before the names of its samples. */
  readonly hostPrefix: string;
  readonly processPrefix: string;
}

const PROCESS = /^system\/(process_)/;

/**
 * The living processes of this host that write a run and ask for samples. Those of a group get the host's name, and the
 * rank where the sample is of the process alone, before their keys: so nodes do not mix when their journals come together.
 */
export async function subjectsOf(run: RunEntry, journal: Pick<Journal, "members">): Promise<Subject[]> {
  const { runId, start, state } = run;
  if (state !== "running") return [];
  if (start.member === undefined) {
    const plain = { hostPrefix: "system/", processPrefix: "system/" };
    return subject(runId, writingProcess(run), start.systemMetricsIntervalMs, plain);
  }
  const members = await journal.members(runId);
  return members.flatMap(({ writerId, rank, state, start: { pid, host, startedAtUs, ...asked } }) => {
    const hostPrefix = `system/${host}/`;
    const names = { hostPrefix, processPrefix: `${hostPrefix}rank${rank}/` };
    const isOver = state !== "running";
    return isOver
      ? []
      : subject(writerId, { pid, host, sinceUs: startedAtUs }, asked.systemMetricsIntervalMs, names);
  });
}

/** What a sample is called in the run. */
export function nameOf({ hostPrefix, processPrefix }: Subject, key: string): string {
  if (PROCESS.test(key)) return key.replace("system/", processPrefix);
  return key.replace("system/", hostPrefix);
}

/** Steps go on rising when a daemon goes on with a run that another has sampled. */
export function nextStep(
  { hostPrefix }: Subject,
  series: readonly { readonly key: string; readonly lastStep: number }[],
): number {
  const steps = series.filter(({ key }) => key.startsWith(hostPrefix)).map(({ lastStep }) => lastStep);
  return Math.max(-1, ...steps) + 1;
}

function subject(
  id: string,
  { pid, host, sinceUs }: { readonly pid: number; readonly host: string; readonly sinceUs: number },
  askedMs: number,
  names: Pick<Subject, "hostPrefix" | "processPrefix">,
): Subject[] {
  if (askedMs <= 0 || pid <= 0 || host !== hostname()) return [];
  const process = processSince(pid, sinceUs);
  return process === undefined ? [] : [{ id, process, askedMs, ...names }];
}
