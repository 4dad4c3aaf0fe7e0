/** What folders lie on, and how much room is left there. */
import { statfsSync } from "node:fs";
import { bytes, counted } from "../../format.ts";
import type { Location } from "../locate.ts";
import { type Finding, ok, problem } from "./finding.ts";
import { standing } from "./paths.ts";

/** Bytes that should be free. */
const LEAST = { state: 1024 ** 3, runtime: 32 * 1024 ** 2 };
/** Files that should be free to be made. */
const FEWEST_INODES = 1000;

export function checkDisks({ state, runtime }: Location): Finding[] {
  return [
    checkFileSystem(state, statfsSync(standing(state)).type),
    checkSpace("disk space", state, LEAST.state, "Free space, or move the state folder."),
    checkSpace(
      "runtime space",
      runtime,
      LEAST.runtime,
      "Free space there, set PKX_RUNTIME_DIR to another folder, or PKX_RING_MB to less.",
    ),
  ];
}

/** Names of file systems by statfs(2), on which SQLite's locks or its shared memory do not work, or not surely. */
const DOUBTFUL: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
  [0x517b, "SMB"],
  [0x01021997, "9P"],
  [0x0bd00bd0, "Lustre"],
  [0x00c36400, "Ceph"],
  [0x7461636f, "OCFS2"],
  [0x01161970, "GFS2"],
  [0x47504653, "GPFS"],
  [0x19830326, "BeeGFS"],
]);

/** `type` is that of statfs(2). */
export function checkFileSystem(state: string, type: number): Finding {
  const name = DOUBTFUL.get(type);
  if (name === undefined) return ok("file system", `${state} is on this machine.`);
  const mend =
    "Put the state folder on a local disk (PKX_STATE_DIR), one for each machine; `pkx sync` brings it elsewhere.";
  return problem("file system", `${state} is on ${name}, where SQLite's locks are not sure.`, mend);
}

function checkSpace(check: string, path: string, least: number, mend: string): Finding {
  const folder = standing(path);
  const { bavail, bsize, files, ffree } = statfsSync(folder);
  const free = bavail * bsize;
  if (free < least) return problem(check, `Only ${bytes(free)} are free at ${folder}.`, mend);
  // A file system that makes them as it needs them tells 0 of 0.
  if (files > 0 && ffree < FEWEST_INODES) {
    return problem(check, `Only ${counted(ffree, "file")} more can be made at ${folder}.`, mend);
  }
  return ok(check, `${bytes(free)} free at ${folder}.`);
}
