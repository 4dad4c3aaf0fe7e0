/** What backups and restores leave in a state folder. Read at each start of a daemon: little is loaded for it. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseJson } from "@pipekit/adapters/json";
import { PipekitError } from "@pipekit/proto";
import { z } from "zod";

/** Other names of files that a backup is being made of; what a killed daemon leaves there is removed at the next start. */
export const LINKS = "backing-up";
/** What a restore has verified so far; gone when it is done. */
export const RESTORING = "restoring";
/** Says of which backup the folder is. */
export const RESTORED = "restored.json";
/** Says that another folder has taken over. */
export const SUPERSEDED = "superseded.json";

const Restored = z.strictObject({
  /** When, unix microseconds; not before the backup. */
  at_us: z.int(),
  /** When the backup was made, unix microseconds. */
  backup_at_us: z.int(),
  /** Digest of the backup's manifest. */
  backup: z.string(),
  /** False for a copy to look at. */
  delivers: z.boolean(),
  origin: z.strictObject({ folder: z.string(), host: z.string() }),
});

export type Restored = z.infer<typeof Restored>;

/**
 * How the folder came to be: undefined unless it was restored. Throws UNSAFE_FOLDER when a restore of it was broken off, or
 * another folder was restored to take over from it: two daemons would deliver the same runs.
 */
export function readRestored(stateFolder: string): Restored | undefined {
  if (existsSync(join(stateFolder, RESTORING))) {
    throw new PipekitError("UNSAFE_FOLDER", `The restore of ${stateFolder} was broken off.`, {
      field: stateFolder,
      mend: "Give the same `pkx restore` once more: it begins anew.",
    });
  }
  const superseded = join(stateFolder, SUPERSEDED);
  if (existsSync(superseded)) {
    const by = z.object({ by: z.string() }).safeParse(parseJson(readFileSync(superseded, "utf8"))).data?.by;
    throw new PipekitError("UNSAFE_FOLDER", `${by ?? "Another folder"} has taken over from ${stateFolder}.`, {
      field: superseded,
      mend: "Use that folder. To go on with this one instead, delete the other, then remove superseded.json here.",
    });
  }
  const mark = join(stateFolder, RESTORED);
  if (!existsSync(mark)) return undefined;
  const found = Restored.safeParse(parseJson(readFileSync(mark, "utf8")));
  if (found.success) return found.data;
  throw new PipekitError("UNSAFE_FOLDER", `${mark} cannot be read.`, {
    field: mark,
    mend: "Restore the backup once more, into another folder.",
    cause: found.error,
  });
}

/** Removes what the backup of a daemon that was killed has left. */
export function removeLinks(stateFolder: string): void {
  rmSync(join(stateFolder, LINKS), { recursive: true, force: true });
}
