import { readFile } from "node:fs/promises";

/** A lock of flock(2) in /proc/locks, held or waited for: pid, device and inode. */
const FLOCK = /\bFLOCK +ADVISORY +\S+ +(-?\d+) +\w+:\w+:(\d+) /g;

/**
 * Pid of a process that holds flock(2) on a file with this inode; 0 when none does. The device is not compared: some file
 * systems tell another one here than by stat. A holder in a pid namespace that is not below ours is not seen. Rejects
 * where the system does not tell.
 */
export async function lockHolder(inode: number): Promise<number> {
  for (const [, pid, of] of (await readFile("/proc/locks", "latin1")).matchAll(FLOCK)) {
    if (Number(of) === inode) return Number(pid);
  }
  return 0;
}
