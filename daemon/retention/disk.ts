import { readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { PipekitError } from "@pipekit/proto";
import type { Logger } from "pino";

/** A measurement older than this is made again when somebody asks, milliseconds. */
const FRESH_MS = 1000;
/** How often the disk is looked at when nobody asks, milliseconds. */
const LOOK_MS = 60_000;
/** Shares of the quota from which a person is warned. */
const WARN_AT = [0.7, 0.85, 0.95, 1];
/** Bytes left on the disk from which a person is warned. */
const FREE_AT = [2e9, 500e6, 100e6];

/** How much the state folder takes, bytes. */
export interface DiskState {
  /** 0 for no limit. */
  readonly quotaBytes: number;
  /** Journal, content and spool. */
  readonly usedBytes: number;
  readonly freeBytes: number;
  /** What a person should look at, one sentence each. */
  readonly warnings: readonly string[];
}

export interface DiskWatchOptions {
  readonly stateFolder: string;
  readonly spoolFolder: string;
  /** 0 for no limit. */
  readonly quotaBytes: number;
  readonly content: { bytes(): Promise<number> };
  readonly log: Pick<Logger, "warn">;
  readonly now?: () => number;
  /** Free bytes of the disk of a folder. */
  readonly freeBytes?: (folder: string) => Promise<number>;
}

/**
 * Measures the state folder, warns long before it is full, and refuses what comes in when it is. Delivery, dead letters
 * and the ends of runs go on: only they make room again.
 */
export class DiskWatch {
  readonly #options: DiskWatchOptions;
  readonly #now: () => number;
  #state: Promise<DiskState> | undefined;
  #measuredMs = Number.NEGATIVE_INFINITY;
  #measuring = false;
  #wasMeasured = false;
  #isFull = false;
  #levels = { quota: 0, free: 0 };
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  start(): void {
    const look = () => void this.state();
    this.#timer = setInterval(look, LOOK_MS);
    this.#timer.unref();
    look();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** As it is now, at most a second old. Where the disk cannot be looked at a warning says so. */
  state(): Promise<DiskState> {
    if (this.#state === undefined || (!this.#measuring && this.#now() - this.#measuredMs >= FRESH_MS)) {
      this.#measuring = true;
      this.#state = this.#measure()
        .catch(unmeasured(this.#options.quotaBytes))
        .finally(() => {
          this.#measuring = false;
          this.#wasMeasured = true;
          this.#measuredMs = this.#now();
        });
    }
    return this.#state;
  }

  /** Measures anew at the next question: much was removed. */
  forget(): void {
    this.#measuredMs = Number.NEGATIVE_INFINITY;
  }

  /** Throws STORAGE_FULL when the quota is reached. Waits for nothing but the first measurement. */
  async admit(): Promise<void> {
    const { quotaBytes } = this.#options;
    if (quotaBytes === 0) return;
    const state = this.state();
    if (!this.#wasMeasured) await state;
    if (!this.#isFull) return;
    throw new PipekitError("STORAGE_FULL", `The state folder has reached its quota of ${gb(quotaBytes)}.`, {
      field: "disk_quota_gb",
      mend: "Free some of it with `pkx prune --apply`, or raise disk_quota_gb in the daemon's config.",
    });
  }

  async #measure(): Promise<DiskState> {
    const { stateFolder, spoolFolder, quotaBytes, content, freeBytes = freeBytesOf } = this.#options;
    const [journal, spool, kept, free] = await Promise.all([
      sizeOf(join(stateFolder, "journal.db"), join(stateFolder, "journal.db-wal")),
      readdir(spoolFolder).then(
        (names) => sizeOf(...names.map((name) => join(spoolFolder, name))),
        () => 0,
      ),
      content.bytes(),
      freeBytes(stateFolder),
    ]);
    const usedBytes = journal + spool + kept;
    this.#isFull = quotaBytes > 0 && usedBytes >= quotaBytes;
    const quotaLevel =
      quotaBytes === 0 ? 0 : WARN_AT.filter((share) => usedBytes >= share * quotaBytes).length;
    const freeLevel = FREE_AT.filter((bytes) => free < bytes).length;
    const warnings = [...quotaWarning(quotaLevel, usedBytes, quotaBytes), ...freeWarning(freeLevel, free)];
    if (quotaLevel > this.#levels.quota || freeLevel > this.#levels.free) {
      for (const warning of warnings) this.#options.log.warn({ usedBytes, quotaBytes, free }, warning);
    }
    this.#levels = { quota: quotaLevel, free: freeLevel };
    return { quotaBytes, usedBytes, freeBytes: free, warnings };
  }
}

function unmeasured(quotaBytes: number): (error: unknown) => DiskState {
  return (error) => {
    const why = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    const warnings = [`The disk of the state folder cannot be looked at (${why}).`];
    return { quotaBytes, usedBytes: 0, freeBytes: 0, warnings };
  };
}

function quotaWarning(level: number, used: number, quota: number): string[] {
  if (level === 0) return [];
  if (level === WARN_AT.length) {
    return [
      `The state folder has reached its quota of ${gb(quota)} and takes no more: run \`pkx prune --apply\`, or raise disk_quota_gb.`,
    ];
  }
  const share = Math.floor((used / quota) * 100);
  return [`The state folder takes ${share} % of its quota of ${gb(quota)}: \`pkx prune\` shows what can go.`];
}

function freeWarning(level: number, free: number): string[] {
  return level === 0 ? [] : [`The disk of the state folder has only ${gb(free)} left.`];
}

function gb(bytes: number): string {
  return `${Number((bytes / 1e9).toPrecision(3))} GB`;
}

async function sizeOf(...files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
