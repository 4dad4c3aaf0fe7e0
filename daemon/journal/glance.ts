import { statSync } from "node:fs";
import { toFault } from "./faults.ts";
import { outsideDamage } from "./raw/outside.ts";
import { numberOf, openForReading } from "./schema.ts";
import { SCHEMA_VERSION } from "./tables.ts";

/** What is seen of a journal without reading it. */
export interface JournalGlance {
  /** Bytes of the file and its write-ahead log. */
  readonly bytes: number;
  /** Version of its tables; 0 when it has none yet, or cannot be read. */
  readonly version: number;
  /** The version that this program writes. */
  readonly writes: number;
  /** What is damaged, one sentence; empty when nothing is seen. */
  readonly fault: string;
}

/** Looks at a journal that no daemon has open, in a few milliseconds. Undefined when there is none. */
export function glance(file: string): JournalGlance | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined || !found.isFile()) return undefined;
  const log = statSync(`${file}-wal`, { throwIfNoEntry: false });
  const seen = { bytes: found.size + (log?.size ?? 0), writes: SCHEMA_VERSION };
  try {
    const damage = outsideDamage(file);
    if (damage !== undefined) return { ...seen, version: 0, fault: `The journal is damaged: ${damage}.` };
    const db = openForReading(file);
    try {
      return { ...seen, version: numberOf(db, "PRAGMA user_version"), fault: "" };
    } finally {
      db.close();
    }
  } catch (error) {
    return { ...seen, version: 0, fault: toFault(error, file).message };
  }
}
