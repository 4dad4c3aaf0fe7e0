import type { Logger } from "pino";
import type { CommittedGroup, LostFrames } from "./journal.ts";

/** How to open a journal. */
export interface JournalOptions {
  /** Absolute path of the state folder; it exists and is the user's own. */
  readonly stateFolder: string;
  readonly log: Logger;
  /** Told of each commit. */
  readonly onGroup?: (group: CommittedGroup) => void;
  /** When the folder was restored from a backup (unix microseconds), and who is told of frames that are missing since. */
  readonly restored?: { readonly atUs: number; readonly onGap: (gap: LostFrames) => void } | undefined;
}
