/** The machine: what it is, how much of it there is, and who runs the daemon there. */
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { arch, availableParallelism, freemem, loadavg, platform, release, totalmem, uptime } from "node:os";
import type { Env } from "./environment.ts";
import type { Redactor } from "./redactor.ts";

export function hostFacts(env: Env, folders: readonly string[], redactor: Redactor): object {
  const clock = new Date();
  return {
    platform: platform(),
    release: release(),
    arch: arch(),
    cpus: availableParallelism(),
    load: loadavg(),
    memory: { totalBytes: totalmem(), freeBytes: freemem(), limit: lineOf("/sys/fs/cgroup/memory.max") },
    uptimeS: Math.round(uptime()),
    clock: { utc: clock.toISOString(), minutesBehindUtc: clock.getTimezoneOffset() },
    openFiles: /^Max open files.*$/m.exec(lineOf("/proc/self/limits", 4096))?.[0] ?? "",
    fileSystems: Object.fromEntries(folders.map((folder) => [redactor.text(folder), fileSystemOf(folder)])),
    hints: hints(env, redactor),
  };
}

/** What runs the daemon, as far as the environment tells. */
function hints(env: Env, redactor: Redactor): object {
  return {
    systemd: env["INVOCATION_ID"] !== undefined,
    kubernetes: env["KUBERNETES_SERVICE_HOST"] !== undefined,
    container: existsSync("/.dockerenv") || existsSync("/run/.containerenv"),
    slurm: env["SLURM_JOB_ID"] !== undefined,
    ssh: env["SSH_CONNECTION"] !== undefined,
    cgroup: redactor.text(lineOf("/proc/self/cgroup")),
    user: { uid: process.getuid?.(), umask: process.umask().toString(8) },
  };
}

function fileSystemOf(folder: string): object {
  if (!existsSync(folder)) return { missing: true };
  const { type, bsize, blocks, bavail, files, ffree } = statfsSync(folder);
  return {
    type: `0x${type.toString(16)}`,
    sizeBytes: bsize * blocks,
    freeBytes: bsize * bavail,
    files,
    filesFree: ffree,
  };
}

/** The beginning of a small file of the system; empty where there is none. */
function lineOf(file: string, most = 200): string {
  try {
    return readFileSync(file, "utf8").slice(0, most).trim();
  } catch {
    return "";
  }
}
