import { readFileSync } from "node:fs";

/** Memory of a process as the kernel tells it, bytes: VmRSS is what it has now, VmHWM the most that it ever had. */
export function memoryOf(pid: number | "self", what: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${what}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
}
