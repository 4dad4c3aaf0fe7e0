/** What a daemon takes, seen from outside; its heap from its page of metrics. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { TestDaemon } from "../../support/daemon.ts";
import { residentBytes } from "../machine.ts";

/** One look. Sizes in bytes. */
export interface Sample {
  readonly second: number;
  readonly rss: number;
  readonly heap: number;
  readonly fds: number;
  readonly threads: number;
  readonly journal: number;
  readonly wal: number;
  readonly log: number;
  readonly audit: number;
  /** Content, models, staging, cache and spool. */
  readonly files: number;
}

export async function takeSample(daemon: TestDaemon, metrics: string, second: number): Promise<Sample> {
  const { pid, stateFolder } = daemon;
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const page = await (await fetch(metrics)).text();
  const folder = (...names: string[]) =>
    names.reduce((sum, name) => sum + sizeOf(join(stateFolder, name)), 0);
  return {
    second,
    rss: residentBytes(pid),
    heap: Number(/^v8js_memory_heap_used_bytes(?:\{[^}]*\})? (\S+)/m.exec(page)?.[1]),
    fds: readdirSync(`/proc/${pid}/fd`).length,
    threads: Number(/^Threads:\s+(\d+)$/m.exec(status)?.[1]),
    journal: sizeOf(join(stateFolder, "journal.db")),
    wal: sizeOf(join(stateFolder, "journal.db-wal")),
    log: folder("logs"),
    audit: folder("audit"),
    files: folder("content", "models", "staging", "cache", "spool"),
  };
}

/** Bytes of a file, or of all files below a folder; what vanishes meanwhile counts as nothing. */
function sizeOf(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return 0;
  if (!found.isDirectory()) return found.size;
  let names: string[];
  try {
    names = readdirSync(path);
  } catch {
    return 0;
  }
  return names.reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}
