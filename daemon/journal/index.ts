/**
 * The journal room: the daemon's durable, ordered store of records.
 *
 * Architecture Invariant: nothing outside this folder knows that the journal is SQLite.
 * Architecture Invariant: `append` resolves only after the frame is on disk (fsync); before that nobody sees it.
 * Architecture Invariant: SQLite runs in threads of its own; the writer alone writes, and never decodes a frame.
 * Architecture Invariant: workers load neither gRPC nor the generated code; what they need travels as plain data.
 * Architecture Invariant: a frame is read only with the checksum that it was journaled with, and salvage invents nothing.
 *
 * A frame's way: facts.ts (main thread) -> link.ts -> worker.ts -> writer.ts and group.ts (one transaction a group).
 * A question's way: store.ts -> link.ts -> worker.ts -> reader.ts, and scan.ts for metric points.
 * Pruning: pruner.ts decides in the group's transaction, clearing.ts gives the space back in slices.
 * A backup's way: snapshot.ts copies the file beside the commits; lost-frames.ts says what may be missing after its restore.
 * raw/ reads a journal file as bytes; salvage/ and verify.ts build on it; foreign/ reads another daemon's journal.
 */
import { join } from "node:path";
import type { Journal } from "./journal.ts";
import type { JournalOptions } from "./options.ts";
import { SqliteJournal } from "./store.ts";

export { type ForeignFrame, type ForeignJournal, openForeignJournal } from "./foreign/index.ts";
export { glance } from "./glance.ts";
export * from "./journal.ts";
export type { JournalOptions } from "./options.ts";
export { flattenParams } from "./params.ts";
export { refusesFrame } from "./refused.ts";
export { type SalvageReport, salvage } from "./salvage/index.ts";
export { snapshotJournal } from "./snapshotting.ts";
export { type VerifyReport, verify } from "./verify.ts";

/**
 * Opens `journal.db` in the state folder, makes it when there is none, and recovers what was acknowledged.
 * Throws PipekitError CORRUPT_JOURNAL, STORAGE_FULL, UNSAFE_FOLDER (cannot be opened or written),
 * INVALID_DAEMON_CONFIG (written by a newer daemon), DAEMON_UNAVAILABLE (locked by another process).
 */
export async function openJournal({ stateFolder, ...options }: JournalOptions): Promise<Journal> {
  const journal = new SqliteJournal(join(stateFolder, "journal.db"), options);
  try {
    await journal.open();
    return journal;
  } catch (error) {
    await journal.close();
    throw error;
  }
}
