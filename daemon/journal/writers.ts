import type { DatabaseSync } from "node:sqlite";
import { rowCrc } from "./checksum.ts";
import { corrupt, refusalOf } from "./faults.ts";

/** How far a writer's frames are on disk. */
export interface WriterRow {
  /** Number of its run. */
  readonly run: number;
  readonly lastSeq: number;
}

/** A writer as the table has it. */
export interface KnownWriter extends WriterRow {
  /** When its last frame was journaled, unix microseconds; 0 when that is unknown. */
  readonly atUs: number;
}

/** The table of writers. A row that is not as it was written would make frames pass for duplicates: it is refused. */
export class WriterTable {
  readonly #file: string;
  readonly #select;
  readonly #upsert;

  constructor(db: DatabaseSync, file: string) {
    this.#file = file;
    this.#select = db.prepare(
      "SELECT run, last_seq AS lastSeq, crc, at_us AS atUs FROM writers WHERE writer_id = ?",
    );
    this.#upsert = db.prepare(`
      INSERT INTO writers VALUES (?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET last_seq = excluded.last_seq, crc = excluded.crc, at_us = excluded.at_us`);
  }

  /** Undefined for a new writer. Throws CORRUPT_JOURNAL. */
  get(writerId: string): KnownWriter | undefined {
    const row = this.#select.get(writerId) as (KnownWriter & { crc: number }) | undefined;
    if (row !== undefined && row.crc !== rowCrc(writerId, row.run, row.lastSeq)) {
      throw refusalOf(corrupt(`the row of the writer ${writerId} is not as it was saved`, this.#file));
    }
    return row;
  }

  /** `atUs` tells when the last frame was journaled; 0 when that is unknown. */
  set(writerId: string, { run, lastSeq }: WriterRow, atUs: number): void {
    this.#upsert.run(writerId, run, lastSeq, rowCrc(writerId, run, lastSeq), atUs);
  }
}
