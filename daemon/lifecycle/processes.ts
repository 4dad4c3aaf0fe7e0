import { existsSync, readFileSync, statSync } from "node:fs";

/** Ticks a second of the start times in /proc: a constant of the Linux kernel's interface to user space. */
const TICKS_PER_SECOND = 100;
const HAS_PROC = existsSync("/proc/self/stat");

/** A process as it is now. `startTicks` tells two processes of one pid apart; 0 where the system does not say. */
export interface LiveProcess {
  readonly pid: number;
  readonly startTicks: number;
}

/** The process of a pid; undefined when there is none, or only a zombie. */
export function liveProcess(pid: number): LiveProcess | undefined {
  if (!HAS_PROC) return answersSignals(pid) ? { pid, startTicks: 0 } : undefined;
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  // The command name stands in parentheses and may hold anything, parentheses too.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  if (state === "Z" || state === "X") return undefined;
  return { pid, startTicks: Number(fields[19]) };
}

/** Whether the process that had this pid and start time is still there; a start time of 0 is unknown. */
export function lives({ pid, startTicks }: LiveProcess): boolean {
  const found = liveProcess(pid);
  return found !== undefined && (startTicks === 0 || found.startTicks === startTicks);
}

/** When a process started, unix microseconds; 0 where the system does not say. Moves when the clock is set. */
export function startedAtUs(process: LiveProcess): number {
  if (!HAS_PROC || process.startTicks === 0) return 0;
  const bootSeconds = /^btime (\d+)$/m.exec(readFileSync("/proc/stat", "latin1"))?.[1];
  return (Number(bootSeconds ?? 0) + process.startTicks / TICKS_PER_SECOND) * 1e6;
}

/** Whether a process has the pid, be it of another user; also one that only waits for its parent to ask. */
export function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Where pids mean what they mean to this process. Empty and 0 where the system does not say. */
export interface Machine {
  /** Boot id, hex. */
  readonly boot: string;
  /** Inode of the pid namespace. */
  readonly namespace: number;
}

let machine: Machine | undefined;

export function thisMachine(): Machine {
  machine ??= { boot: bootId(), namespace: namespaceInode() };
  return machine;
}

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim().replaceAll("-", "");
  } catch {
    return "";
  }
}

function namespaceInode(): number {
  try {
    return statSync("/proc/self/ns/pid").ino;
  } catch {
    return 0;
  }
}
