import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { Usage } from "./host.ts";

/** Ticks a second of the times in /proc: a constant of the Linux kernel's interface to user space. */
const TICKS_PER_SECOND = 100;
/** Looking at all processes may take this share of a core. */
const SCAN_SHARE = 0.004;
const HAS_PROC = existsSync("/proc/self/stat");

interface ProcessStat {
  readonly parent: number;
  /** Time of the process and of its children that have ended, ticks. */
  readonly ticks: number;
}

/**
 * What a process and its descendants use: CPU since the last sample (100 for each core), and resident memory, in which
 * pages that they share count for each. Nothing where the system has no /proc. Who belongs to it is looked up at each
 * sample, on hosts with very many processes more rarely.
 */
export class ProcessTree {
  readonly #pid: number;
  #members: readonly number[];
  #scanAtMs = 0;
  #last: { readonly ticks: number; readonly atMs: number } | undefined;

  constructor(pid: number) {
    this.#pid = pid;
    this.#members = [pid];
    if (HAS_PROC) this.#last = { ticks: this.#ticks(), atMs: performance.now() };
  }

  sample(): Usage {
    const usage: Usage = new Map();
    if (!HAS_PROC) return usage;
    const ticks = this.#ticks();
    const atMs = performance.now();
    const last = this.#last;
    this.#last = { ticks, atMs };
    if (last !== undefined && atMs > last.atMs) {
      const seconds = Math.max(0, ticks - last.ticks) / TICKS_PER_SECOND;
      usage.set("system/process_cpu_utilization_percentage", (100 * seconds) / ((atMs - last.atMs) / 1000));
    }
    const bytes = this.#members.reduce((sum, pid) => sum + residentBytes(pid), 0);
    if (bytes > 0) usage.set("system/process_memory_usage_megabytes", bytes / 1e6);
    return usage;
  }

  #ticks(): number {
    const now = performance.now();
    if (now >= this.#scanAtMs) {
      const began = process.threadCpuUsage();
      this.#members = descendants(this.#pid);
      const { user, system } = process.threadCpuUsage(began);
      this.#scanAtMs = now + (user + system) / 1000 / SCAN_SHARE;
    }
    return this.#members.reduce((sum, pid) => sum + (statOf(pid)?.ticks ?? 0), 0);
  }
}

/** A process and all that descend from it. */
function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const parent = statOf(pid)?.parent;
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  const found = [root];
  // The list grows while it is walked. A pid that is reused meanwhile could make a circle; nobody enters twice.
  const seen = new Set(found);
  for (const pid of found) {
    for (const child of children.get(pid) ?? []) {
      if (!seen.has(child)) found.push(child);
      seen.add(child);
    }
  }
  return found;
}

function statOf(pid: number): ProcessStat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command name stands in parentheses and may hold anything, parentheses too.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0);
    return { parent: Number(fields[1]), ticks };
  } catch {
    return undefined;
  }
}

function residentBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
