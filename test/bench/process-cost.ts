/** What processes take, as the kernel counts it: processor time says the same on a busy machine as on a quiet one. */
import { readdirSync, readFileSync } from "node:fs";
import { residentBytes } from "./machine.ts";

/** The kernel counts in hundredths of a second. */
const TICKS_PER_S = 100;
const USER = 11;
const SYSTEM = 12;
const GROUP = 2;

/** Seconds of processor time of all threads of a process, user and system. */
export function cpuSeconds(pid: number): number {
  const fields = fieldsOf(pid);
  return (Number(fields[USER]) + Number(fields[SYSTEM])) / TICKS_PER_S;
}

/** The same of all processes of the group in which a process runs whose command line has this text. */
export function groupCpuSeconds(text: string): number {
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  const leader = pids.find((pid) => pid !== process.pid && read(`/proc/${pid}/cmdline`).includes(text));
  if (leader === undefined) throw new Error(`No process has ${text} in its command line.`);
  const group = fieldsOf(leader)[GROUP];
  return pids.filter((pid) => fieldsOf(pid)[GROUP] === group).reduce((sum, pid) => sum + cpuSeconds(pid), 0);
}

/** What a piece of work took of a process. */
export interface Cost {
  readonly cpuS: number;
  readonly wallS: number;
  /** Largest resident memory seen, bytes. */
  readonly peak: number;
}

/** Looks at a process while work is done. */
export async function costOf(pid: number, work: () => Promise<unknown>): Promise<Cost> {
  let peak = residentBytes(pid);
  const timer = setInterval(() => {
    peak = Math.max(peak, residentBytes(pid));
  }, 100);
  const [cpu, begun] = [cpuSeconds(pid), performance.now()];
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return { cpuS: cpuSeconds(pid) - cpu, wallS: (performance.now() - begun) / 1000, peak };
}

export const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

/** From the third field of the file on: the name before may have spaces. */
function fieldsOf(pid: number): string[] {
  return read(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ") ?? [];
}

/** Empty when the process is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
