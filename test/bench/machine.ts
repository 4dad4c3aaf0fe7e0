import { availableParallelism, cpus, release, totalmem } from "node:os";
import { memoryOf } from "../support/memory.ts";

/** One line that names the machine a figure was measured on. */
export function machine(): string {
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  return `${cpus()[0]?.model.trim() ?? "unknown CPU"}, ${availableParallelism()} cores, ${memory}, Linux ${release()}, Node ${process.version}`;
}

/** Resident memory of a process, bytes. */
export function residentBytes(pid: number): number {
  return memoryOf(pid, "VmRSS");
}
