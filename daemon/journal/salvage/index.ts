/**
 * Salvage: what is intact of a damaged journal, in a new one. It reads the file as bytes, page by page, and trusts
 * nothing but checksums: SQLite itself gives up a tree at the first page that makes no sense.
 */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import { PipekitError } from "@pipekit/proto";
import { toFault } from "../faults.ts";
import { PageFile } from "../raw/pages.ts";
import { numberOf, openForWriting } from "../schema.ts";
import { FrameKeeper, type PositionRange } from "./frames.ts";
import { type Harvest, harvest } from "./harvest.ts";
import { Rebuild } from "./rebuild.ts";

/** What became of a salvage. */
export interface SalvageReport {
  /** Runs in the new journal. */
  readonly runs: number;
  /** Frames in the new journal, which are all that are intact. */
  readonly frames: number;
  /** Metric points in them. */
  readonly points: number;
  /** Positions of frames that are not intact or not there, as far as anything tells of them. */
  readonly lostFrames: readonly PositionRange[];
  /** What else a person should know: one sentence each. */
  readonly reasons: readonly string[];
}

/** Pages between two looks at the signal. */
const PAGES_A_TURN = 64;

/**
 * Reads everything that is intact in the journal `file` into a new journal `intoFile`. Frames keep their positions, so that
 * the cursors of sinks hold and nothing is sent twice. The damaged file is not changed. No daemon may have it open.
 * `onProgress` gets the share done, 0 to 1. Throws PipekitError: INVALID_ARGUMENT (no such file, `intoFile` exists),
 * STORAGE_FULL, UNSAFE_FOLDER, and the signal's reason; then there is no `intoFile`. Damage is no error.
 */
export async function salvage(
  file: string,
  intoFile: string,
  onProgress: (share: number) => void = () => undefined,
  signal?: AbortSignal,
): Promise<SalvageReport> {
  checkFiles(file, intoFile);
  const partial = `${intoFile}.partial`;
  removeJournal(partial);
  try {
    const report = await salvageInto(file, partial, onProgress, signal);
    renameSync(partial, intoFile);
    syncFolder(dirname(intoFile));
    return report;
  } catch (error) {
    removeJournal(partial);
    if (signal?.aborted === true) throw signal.reason;
    if (error instanceof PipekitError) throw error;
    const { code, message, ...options } = toFault(error, intoFile);
    throw new PipekitError(code, message, { ...options, cause: error });
  }
}

async function salvageInto(
  file: string,
  partial: string,
  onProgress: (share: number) => void,
  signal: AbortSignal | undefined,
): Promise<SalvageReport> {
  const pages = new PageFile(file);
  let db: DatabaseSync | undefined;
  try {
    db = openForWriting(partial);
    // Synced as a whole at the end: a half salvaged journal is of no use.
    db.exec("PRAGMA synchronous = OFF");
    const keeper = new FrameKeeper(db);
    const found = await harvest(pages, keeper, async (page) => {
      if (page % PAGES_A_TURN !== 0) return;
      signal?.throwIfAborted();
      onProgress((page / pages.count) * 0.9);
      await nextTurn();
    });
    keeper.finish();
    db.exec("BEGIN");
    const reasons = reasonsOf(pages, found);
    const rebuilt = new Rebuild(db, partial, keeper, found, reasons);
    await rebuilt.write(signal);
    db.exec("COMMIT; PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)");
    onProgress(1);
    const { lostFrames } = rebuilt;
    const count = db.prepare("SELECT frames, runs FROM totals").get() as { frames: number; runs: number };
    const points = numberOf(db, "SELECT ifnull(sum(points), 0) FROM frames");
    return { ...count, points, lostFrames, reasons };
  } finally {
    db?.close();
    pages.close();
  }
}

function checkFiles(file: string, intoFile: string): void {
  const invalid = (message: string, field: string, mend: string) =>
    new PipekitError("INVALID_ARGUMENT", message, { field, mend });
  if (!existsSync(file)) throw invalid(`There is no journal ${file}.`, file, "Name a journal.db.");
  if (existsSync(intoFile)) {
    throw invalid(`The file ${intoFile} exists.`, intoFile, "Name a file that is not there yet.");
  }
}

/** What damage is seen from outside the rows. */
function reasonsOf(pages: PageFile, { damaged }: Harvest): string[] {
  const reasons = [...damaged].sort().map((name) => `The table or index ${name} is damaged.`);
  if (pages.log?.damaged === true) reasons.push("The write-ahead log is damaged before its last commit.");
  return reasons;
}

function removeJournal(file: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true });
}

/** Makes a new name in a folder outlast a power cut. */
function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
