/**
 * Backup and restore of a state folder.
 *
 * Architecture Invariant: a backup is of one moment of the journal, and whole or not there; making one stops no append.
 * Architecture Invariant: a restore believes nothing before every byte is checked, and never writes into a folder that holds
 * something.
 *
 * A backup's way: making.ts, with gathering.ts (what, and in which order), packing.ts and tar.ts (into which form: form.ts,
 * manifest.ts, sums.ts). A restore's way: restoring.ts, with checking.ts and reading.ts. marks.ts is what both leave in a
 * state folder; lost-notes.ts tells what a restore has lost.
 */
export { checkBackup } from "./checking.ts";
export { type BackupSource, makeBackup } from "./making.ts";
export { restoreBackup } from "./restoring.ts";
