import { existsSync } from "node:fs";
import { Frame, PipekitError } from "@pipekit/proto";
import type { Logger } from "pino";
import type { ReadSinkEntry, RunEntry } from "../journal.ts";
import { WorkerLink } from "../link.ts";
import type { CloseCall, ForeignCalls } from "../messages.ts";

/** A frame of another journal. */
export interface ForeignFrame {
  readonly position: number;
  readonly frame: Frame;
}

/** The journal of another state folder, read without changing it. A thread of its own does the reading. */
export interface ForeignJournal {
  /** One run by id or unique prefix of 8 characters or more. Throws RUN_NOT_FOUND, REF_AMBIGUOUS, CORRUPT_JOURNAL. */
  run(idOrPrefix: string): Promise<RunEntry>;
  /** The sinks of a run there. Throws RUN_NOT_FOUND, CORRUPT_JOURNAL. */
  sinks(runId: string): Promise<readonly ReadSinkEntry[]>;
  /**
   * The next frames behind a position, in order, at most `most` and about 8 MiB; empty when there is nothing new. Frames
   * of pruned runs are gone. Between two frames of a writer, seqs may be missing: all records of those were rejected.
   * What stands before a damaged frame is answered; then throws CORRUPT_JOURNAL.
   */
  frames(after: number, most: number): Promise<readonly ForeignFrame[]>;
  close(): Promise<void>;
}

/**
 * Opens the journal file of another state folder for reading: one that a daemon on this host is writing, one that was
 * carried here, also on a mount that nobody can write, and one of an older journal version (as it is now, when no daemon
 * has it open). Its tables are checked first, which takes about a second for a GiB; its frames when they are read.
 * Throws PipekitError: INVALID_ARGUMENT (no journal, or of a newer version), CORRUPT_JOURNAL (also when it was copied
 * while it was written), UNSAFE_FOLDER (cannot be read), STORAGE_FULL (a copy that has to be made finds no room).
 */
export async function openForeignJournal(file: string, log: Logger): Promise<ForeignJournal> {
  if (!existsSync(file)) {
    throw new PipekitError("INVALID_ARGUMENT", `There is no journal ${file}.`, {
      field: file,
      mend: "Name the state folder of a daemon: the one that holds its journal.db.",
    });
  }
  const link = new WorkerLink<ForeignCalls & CloseCall>({ setup: { role: "foreign", file }, log });
  try {
    await link.call("open", null);
  } catch (error) {
    await link.close();
    throw error;
  }
  return {
    run: (idOrPrefix) => link.call("run", idOrPrefix),
    sinks: (runId) => link.call("sinks", runId),
    frames: async (after, most) => {
      const rows = await link.call("frames", { after, most });
      return rows.map(({ position, body }) => ({ position, frame: Frame.decode(body) }));
    },
    close: () => link.close(),
  };
}
