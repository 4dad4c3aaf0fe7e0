/** A backup of the daemon's state folder, made while it goes on. */
import { type BackupMade, PipekitError, type Progress } from "@pipekit/proto";
import { answers, type CallSettings } from "./calls.ts";
import type { Connection } from "./connection.ts";

/** How to make a backup. */
export interface BackupOptions extends CallSettings {
  /** Put the daemon's config file in, too. Default false. */
  readonly includeConfig?: boolean | undefined;
  /** Hears how far it is, a few times a second. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Throws what `Client.backup` throws. */
export async function makeBackup(
  connection: Connection,
  path: string,
  { includeConfig = false, onProgress, signal }: BackupOptions,
): Promise<BackupMade> {
  // Not repeated when the daemon goes away: the next attempt could find the first one's result.
  const open = () => connection.services.daemon.backup({ path, includeConfig });
  for await (const { part } of answers(open, signal)) {
    if (part?.$case === "made") return part.value;
    if (part !== undefined) onProgress?.(part.value);
  }
  throw new PipekitError("INTERNAL", "The daemon ended a backup without telling what it made.");
}
