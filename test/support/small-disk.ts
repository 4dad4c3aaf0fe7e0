/** A disk of its own for a test, which can be full or read-only. It takes a user who may mount. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SmallDisk {
  readonly folder: string;
  /** Whether it can fail: false where this user may not mount, and the folder is a plain one. */
  readonly canFail: boolean;
  /** From now on there is no room for another page. */
  fill(): void;
  /** From now on nothing can be written. */
  forbid(): void;
  /** Undoes both. */
  mend(): void;
  close(): void;
}

const SIZE = 512 * 1024 * 1024;

export function openSmallDisk(): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), "pkx-disk-"));
  const canFail = mount("-t", "tmpfs", "-o", `size=${SIZE},mode=0755`, "tmpfs", folder);
  const remount = (options: string) => {
    // Who writes at this moment keeps the disk from becoming read-only.
    for (let tries = 0; !mount("-o", `remount,${options}`, folder); tries++) {
      if (tries === 50) throw new Error(`${folder} cannot be mounted again as ${options}.`);
    }
  };
  return {
    folder,
    canFail,
    fill: () => {
      const used = execFileSync("df", ["--block-size=1", "--output=used", folder], { encoding: "utf8" });
      remount(`rw,size=${Math.max(4096, Number(used.trim().split("\n").at(-1)))}`);
    },
    forbid: () => remount("ro"),
    mend: () => remount(`rw,size=${SIZE}`),
    close: () => {
      if (canFail) execFileSync("umount", ["-l", folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function mount(...args: string[]): boolean {
  try {
    execFileSync("mount", args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
