/** What a tombstone says: who collects, and by which process, so that those on its host see when it has died. */
import { z } from "zod";

/** Names processes, and tells whether one is gone. */
export interface Processes {
  /** This process; empty when it cannot be named. */
  readonly mark: string;
  /** Whether the process of a mark is surely gone. */
  isGone(mark: string): boolean;
}

/** Of no process anything is known. */
export const unknownProcesses: Processes = { mark: "", isGone: () => false };

const Note = z.object({ process: z.string() });

export function tombstoneBytes(actor: string, process: string, unixMs: number): Buffer {
  return Buffer.from(`${JSON.stringify({ actor, at: new Date(unixMs).toISOString(), process })}\n`);
}

/** The mark of the process that wrote a tombstone; empty when it does not say. */
export function processOf(bytes: Buffer): string {
  try {
    return Note.parse(JSON.parse(bytes.toString("utf8"))).process;
  } catch {
    return "";
  }
}
