/**
 * What a backup is: a folder, or one uncompressed tar of it (`manifest.json` last), that holds what of a state folder cannot be
 * had again:
 *
 *   journal.db           the journal as it was at one moment, an SQLite file
 *   content/             files of artifacts that this journal names, by SHA-256
 *   models/              the default registry: tags, histories, pins, whole models; no leases, tombstones and drafts
 *   spool/, staging/     what clients had left for the daemon; parked/ what of a stream nobody could read
 *   audit/               the audit log, cut behind a whole entry
 *   config.yaml          the config file, only when asked for
 *   SHA256SUMS           a line for each file above, as `sha256sum` writes it: `sha256sum -c SHA256SUMS` checks a folder
 *   manifest.json        what it is, with the SHA-256 of SHA256SUMS and of itself; written last
 */
import { PipekitError } from "@pipekit/proto";

export const MANIFEST = "manifest.json";
export const SUMS = "SHA256SUMS";
export const JOURNAL = "journal.db";
export const CONFIG = "config.yaml";
/** Folders of a backup, and of the state folder. */
export const FOLDERS = ["content", "models", "spool", "staging", "parked", "audit"] as const;
export const TAR = ".tar";

/** A file of a backup. */
export interface BackupFile {
  /** From the backup's root, with forward slashes. */
  readonly path: string;
  /** SHA-256, hex. */
  readonly sha256: string;
  readonly size: number;
}

/** Whether a path is one that a backup may have: none that leads elsewhere. */
export function isPlace(path: string): boolean {
  if (path === JOURNAL || path === CONFIG) return true;
  const [folder = "", ...rest] = path.split("/");
  if (!(FOLDERS as readonly string[]).includes(folder) || rest.length === 0) return false;
  return rest.every((part) => part !== "" && part !== "." && part !== ".." && !part.includes("\0"));
}

/** CORRUPT_BACKUP. `file` is the path in the backup that is at fault; empty when that is the backup as a whole. */
export function corrupt(backup: string, file: string, what: string, cause?: unknown): PipekitError {
  const at = file === "" ? backup : `${JSON.stringify(file)} of the backup ${backup}`;
  return new PipekitError("CORRUPT_BACKUP", `${at} ${what}.`, {
    field: file === "" ? backup : file,
    mend: "Use another backup; this one is not as it was written. Nothing was restored.",
    cause,
  });
}
