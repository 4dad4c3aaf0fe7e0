/** The faults of a tool that is a folder, made on a disk of its own. */

import type { SmallDisk } from "../support/small-disk.ts";
import { DISK_FAULTS, type TrackerHarness } from "./tracker-harness.ts";

/** A fault passes by itself, since a test through a daemon lets it go on until it has passed. */
const LONGEST_FAULT_MS = 1500;

/** The members of a harness that make faults. A disk is not asked for a request: it fails until it is mended. */
export function folderFaults(disk: SmallDisk): Pick<TrackerHarness, "faults" | "failNext" | "heal"> {
  let failing: NodeJS.Timeout | undefined;
  const heal = () => {
    if (failing === undefined) return;
    clearTimeout(failing);
    failing = undefined;
    disk.mend();
  };
  return {
    faults: disk.canFail ? DISK_FAULTS : [],
    failNext: (_, fault) => {
      heal();
      if (fault === "diskFull") disk.fill();
      else disk.forbid();
      failing = setTimeout(heal, LONGEST_FAULT_MS);
    },
    heal,
  };
}
