import { existsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Frame, PipekitError } from "@pipekit/proto";
import { isIntact } from "./checksum.ts";
import { differences, type RunRow, rowFaults } from "./comparison.ts";
import { frameFacts } from "./facts.ts";
import { toFault } from "./faults.ts";
import type { FrameFacts } from "./messages.ts";
import { readLog } from "./raw/log.ts";
import { outsideDamage } from "./raw/outside.ts";
import { numberOf, openForReading } from "./schema.ts";
import { sealOf } from "./seal.ts";
import { misshapen } from "./shape.ts";
import { type FrameRow, framesOfRun, RunSummary } from "./summary.ts";
import { APPLICATION_ID, SCHEMA_VERSION } from "./tables.ts";

/** What a look at every byte of a journal found. */
export interface VerifyReport {
  readonly runs: number;
  readonly frames: number;
  readonly points: number;
  /** What is damaged, one sentence each, the first hundred; empty for a sound journal. */
  readonly faults: readonly string[];
  /** What is no damage but good to know: one sentence each. */
  readonly notes: readonly string[];
}

const MAX_FAULTS = 100;

/**
 * Reads every page and every frame of a journal, and compares each row with what the frames say. Changes nothing. No
 * daemon may have it open. `onProgress` gets the share done, 0 to 1. Damage is in the report; throws PipekitError
 * INVALID_ARGUMENT (no such file), UNSAFE_FOLDER (cannot be read) and the signal's reason.
 */
export async function verify(
  file: string,
  onProgress: (share: number) => void = () => undefined,
  signal?: AbortSignal,
): Promise<VerifyReport> {
  if (!existsSync(file)) {
    throw new PipekitError("INVALID_ARGUMENT", `There is no journal ${file}.`, {
      field: file,
      mend: "Name a journal.db.",
    });
  }
  const verification = new Verification(onProgress, signal);
  try {
    await verification.run(file);
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    if (error instanceof PipekitError) throw error;
    const fault = toFault(error, file);
    const { code, message, ...options } = fault;
    if (code !== "CORRUPT_JOURNAL") throw new PipekitError(code, message, { ...options, cause: error });
    verification.fault(message);
  }
  return verification.report();
}

class Verification {
  readonly #onProgress: (share: number) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #faults: string[] = [];
  readonly #notes: string[] = [];
  #runs = 0;
  #frames = 0;
  #points = 0;
  /** Frames without a checksum. */
  #unsummed = 0;

  constructor(onProgress: (share: number) => void, signal: AbortSignal | undefined) {
    this.#onProgress = onProgress;
    this.#signal = signal;
  }

  report(): VerifyReport {
    const counts = { runs: this.#runs, frames: this.#frames, points: this.#points };
    return { ...counts, faults: this.#faults, notes: this.#notes };
  }

  fault(sentence: string): void {
    if (this.#faults.length < MAX_FAULTS) this.#faults.push(sentence);
  }

  async run(file: string): Promise<void> {
    const outside = outsideDamage(file);
    if (outside !== undefined) this.fault(`The journal is damaged: ${outside}.`);
    if (readLog(`${file}-wal`)?.torn === true) {
      this.#notes.push(
        "The write-ahead log ends in a commit that was not finished: it was acknowledged to nobody, unless the disk damaged it.",
      );
    }
    const db = openForReading(file);
    try {
      if (!this.#checkVersion(db)) return;
      for (const part of misshapen(db)) this.fault(`The tables are not as they were made: ${part}.`);
      for (const row of db.prepare(`PRAGMA integrity_check(${MAX_FAULTS})`).all()) {
        const text = String(row["integrity_check"]);
        if (text !== "ok") this.fault(`The file is damaged: ${text.replaceAll("\n", " ")}.`);
      }
      await this.#turn(0.3);
      await this.#checkRuns(db);
      for (const sentence of rowFaults(db)) this.fault(sentence);
      this.#onProgress(1);
    } finally {
      db.close();
    }
  }

  /** False when the rest cannot be compared. */
  #checkVersion(db: DatabaseSync): boolean {
    if (numberOf(db, "PRAGMA application_id") !== APPLICATION_ID)
      this.fault("The file does not say that it is a journal.");
    const version = numberOf(db, "PRAGMA user_version");
    if (version === SCHEMA_VERSION) return true;
    this.fault(
      version > 0 && version < SCHEMA_VERSION
        ? `The journal is of version ${version}: start the daemon on it once to bring it to version ${SCHEMA_VERSION}.`
        : `The file says that it is a journal of version ${version}, not ${SCHEMA_VERSION}.`,
    );
    return false;
  }

  async #checkRuns(db: DatabaseSync): Promise<void> {
    const framesOf = framesOfRun(db);
    const runs = db.prepare("SELECT * FROM runs ORDER BY number").all() as unknown as RunRow[];
    const lastSeqOf = db.prepare("SELECT last_seq FROM writers WHERE writer_id = ?");
    for (const run of runs) {
      this.#runs++;
      if (run.pruned_at_us > 0) {
        this.#points += run.points;
        if (sealOf(db, run.number) !== run.seal)
          this.fault(`The row of run ${run.run_id} is not as it was saved.`);
        continue;
      }
      const summary = new RunSummary();
      for (const rows of framesOf(run.number)) {
        for (const row of rows) this.#addFrame(summary, row, run.run_id);
        await this.#turn(0.3 + (0.7 * (this.#runs - 1)) / runs.length);
      }
      this.#points += summary.points;
      for (const [writer, seq] of summary.writers) this.#checkWriter(lastSeqOf.get(writer), writer, seq);
      for (const what of differences(db, run, summary)) {
        this.fault(`The ${what} of run ${run.run_id} differ from what its frames say.`);
      }
    }
    if (this.#unsummed > 0) {
      this.#notes.push(`${this.#unsummed} frames of journal version 1 have no checksum.`);
    }
  }

  #checkWriter(row: { readonly [column: string]: unknown } | undefined, writer: string, seq: number): void {
    if (Number(row?.["last_seq"] ?? 0) < seq)
      this.fault(`The writer ${writer} has frames beyond its last seq.`);
  }

  #addFrame(summary: RunSummary, row: FrameRow, runId: string): void {
    this.#frames++;
    if (row.crc === null) this.#unsummed++;
    const facts = isIntact(row) ? factsOf(row) : undefined;
    const agrees =
      facts?.runId === runId &&
      facts.writerId === row.writer_id &&
      facts.seq === row.seq &&
      facts.points === row.points;
    if (facts !== undefined && agrees) summary.add(row.position, facts, row.body.byteLength);
    else this.fault(`The frame at position ${row.position} of run ${runId} is not what was journaled.`);
  }

  async #turn(share: number): Promise<void> {
    this.#signal?.throwIfAborted();
    this.#onProgress(share);
    await nextTurn();
  }
}

function factsOf(row: FrameRow): FrameFacts | undefined {
  try {
    return frameFacts(Frame.decode(row.body));
  } catch {
    // Whatever decoding and checking throw: these bytes are no frame.
    return undefined;
  }
}
