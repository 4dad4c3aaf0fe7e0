import { backup } from "node:sqlite";
import { refusalOf, toFault } from "./faults.ts";
import type { SnapshotCalls } from "./messages.ts";
import { journalReader } from "./reader.ts";
import type { Asked } from "./reader-thread.ts";
import { numberOf, openForReading } from "./schema.ts";

/** Pages copied between two looks whether to go on: a few megabytes. */
const PAGES_AT_A_TIME = 512;
const CORRUPT = [11, 26];

/**
 * Copies the journal as it is at one moment, for snapshotting.ts, on a thread and a connection of their own. The transaction that stays open
 * meanwhile keeps the moment: commits go on beside it, into a write-ahead log that is not moved into the file before the end.
 */
export function snapshotTaker(file: string): Asked<SnapshotCalls> {
  const db = openForReading(file);
  let stopped = false;
  return {
    reader: {
      take: async (target) => {
        db.exec("BEGIN");
        const sums = {
          runs: numberOf(db, "SELECT runs FROM totals"),
          points: numberOf(db, "SELECT points FROM totals"),
          content: await journalReader(db, file).contentInUse(null),
        };
        const progress = () => {
          if (stopped) throw new Error("The snapshot was broken off.");
        };
        try {
          await backup(db, target, { rate: PAGES_AT_A_TIME, progress });
        } catch (error) {
          const isDamage = error instanceof Error && "errcode" in error && isCorrupt(error.errcode);
          throw refusalOf(toFault(error, isDamage ? file : target));
        } finally {
          db.exec("COMMIT");
        }
        return sums;
      },
      stop: () => {
        stopped = true;
        return null;
      },
    },
    close: () => db.close(),
  };
}

function isCorrupt(code: unknown): boolean {
  return typeof code === "number" && CORRUPT.includes(code & 0xff);
}
