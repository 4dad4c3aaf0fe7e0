import { join } from "node:path";
import type { Logger } from "pino";
import type { JournalSnapshot } from "./journal.ts";
import { WorkerLink } from "./link.ts";
import type { CloseCall, SnapshotCalls } from "./messages.ts";

/**
 * Copies the journal of a state folder as it is at one moment to a new file, while commits go on; the caller makes it
 * durable. Throws STORAGE_FULL, UNSAFE_FOLDER, CORRUPT_JOURNAL and the signal's reason.
 */
export async function snapshotJournal(
  stateFolder: string,
  target: string,
  log: Logger,
  signal: AbortSignal,
): Promise<JournalSnapshot> {
  signal.throwIfAborted();
  const setup = { role: "snapshot", file: join(stateFolder, "journal.db") } as const;
  const link = new WorkerLink<SnapshotCalls & CloseCall>({ setup, log });
  const stop = () => void link.call("stop", null).catch(() => undefined);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await link.call("take", target);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    await link.close();
  }
}
