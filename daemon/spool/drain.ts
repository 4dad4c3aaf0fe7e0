import { readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { decodeFrame } from "./entries.ts";
import { type AppendFrame, handOver } from "./handover.ts";
import { type LeftFiles, noFindings } from "./leftovers.ts";
import { type Owner, ownerState } from "./owner.ts";
import { RingFile } from "./ring-file.ts";
import { SpoolFile } from "./spool-file.ts";

const ULID = /^([0-7][0-9A-HJKMNP-TV-Z]{25})\.(ring|frames|making)$/;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
/** A ring that was not finished within this time never will be, milliseconds. */
const MAKING_MS = 60_000;

/** Frames of a dead writer, from the first to the last seq. */
interface LostFrames {
  readonly runId: string;
  readonly writerId: string;
  readonly from: number;
  readonly to: number;
}

/** Where dead writers leave their files, and where their frames go. */
export interface SpoolDrainOptions {
  readonly ringsFolder: string;
  readonly spoolFolder: string;
  /** Seq of the last frame of a writer that is on disk. */
  readonly lastSeq: (writerId: string) => Promise<number>;
  readonly append: AppendFrame;
  /** Told, before its files go, of frames that a dead writer had let go as acknowledged and that are not there. */
  readonly onLost?: ((frames: LostFrames) => Promise<void>) | undefined;
  /** Milliseconds between two looks. */
  readonly intervalMs: number;
  readonly log: SpoolLog;
}

interface SpoolLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

interface Waiting {
  readonly untilMs: number;
  readonly pauseMs: number;
}

/** The files of one writer as the last look found them. */
interface Found {
  readonly runId: string;
  readonly lives: boolean;
}

/**
 * Looks after the rings and spool files of writers: hands over what dead ones left, under their own numbers, and
 * tells which runs still have writers. A file is removed only once all that it holds is on disk or refused for good.
 */
export class SpoolDrain {
  readonly #options: SpoolDrainOptions;
  readonly #stopped = new AbortController();
  readonly #waiting = new Map<string, Waiting>();
  readonly #told = new Set<string>();
  #found: ReadonlyMap<string, Found> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: SpoolDrainOptions) {
    this.#options = options;
  }

  /** Begins to look; the first look begins at once and is not waited for. */
  start(): void {
    this.#timer = setInterval(() => void this.look(), this.#options.intervalMs);
    this.#timer.unref();
    void this.look();
  }

  /** Looks once. Resolves when what was found is handed over, or stays for later. Does not reject. */
  look(): Promise<void> {
    this.#looking ??= this.#lookOnce()
      .catch((err: unknown) => this.#options.log.error({ err }, "cannot look after rings and spool"))
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  /** A look that begins after this call. */
  async lookAnew(): Promise<void> {
    await this.#looking;
    await this.look();
  }

  /** Whether a writer of the run lived, or had left something, at the last look. */
  holds(runId: string): boolean {
    return [...this.#found.values()].some((found) => found.runId === runId);
  }

  /** Whether this writer lived, or had left something, at the last look. */
  holdsWriter(writerId: string): boolean {
    return this.#found.has(writerId);
  }

  /** Runs that had a living writer at the last look. */
  livingRuns(): ReadonlySet<string> {
    return new Set([...this.#found.values()].filter(({ lives }) => lives).map(({ runId }) => runId));
  }

  /** Stops; resolves when nothing more will be appended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopped.abort();
    await this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const writers = await this.#writerIds();
    const found = new Map<string, Found>();
    for (const writerId of writers) {
      if (this.#stopped.signal.aborted) return;
      // What was known stays known until the writer was looked at again.
      const one = await this.#lookAt(writerId).catch((err: unknown) => {
        this.#tellOnce(writerId, "cannot read what a writer left", { err });
        return this.#found.get(writerId);
      });
      if (one !== undefined) found.set(writerId, one);
    }
    this.#found = found;
    for (const writerId of this.#waiting.keys()) {
      if (!found.has(writerId)) this.#waiting.delete(writerId);
    }
  }

  /** Oldest first: a run's start comes before the frames of its forked children. */
  async #writerIds(): Promise<string[]> {
    const { ringsFolder, spoolFolder } = this.#options;
    const ids = new Set<string>();
    for (const folder of [ringsFolder, spoolFolder]) {
      for (const name of await readdir(folder).catch(() => [] as string[])) {
        const [, id, kind] = ULID.exec(name) ?? [];
        if (id === undefined || kind === (folder === ringsFolder ? "frames" : "ring")) continue;
        if (kind === "making") await removeUnfinished(join(folder, name));
        else ids.add(id);
      }
    }
    return [...ids].sort();
  }

  async #lookAt(writerId: string): Promise<Found | undefined> {
    const paths = this.#pathsOf(writerId);
    const opened = await RingFile.open(paths.ring);
    const ring = opened === "damaged" ? undefined : opened;
    try {
      const spool = await SpoolFile.open(paths.spool);
      try {
        const renamed = ring !== undefined && ring.writerId !== writerId;
        const owner = ring?.owner ?? spool?.owner;
        if (opened === "damaged" || renamed || owner === undefined) {
          this.#tellOnce(
            writerId,
            "a ring or spool file is damaged from its start, or not what its name says",
          );
        }
        // The spool file has frames that count whatever the ring says.
        if (renamed || owner === undefined) return undefined;
        return await this.#lookInto(writerId, owner, ring, spool);
      } finally {
        await spool?.close();
      }
    } finally {
      await ring?.close();
    }
  }

  async #lookInto(
    writerId: string,
    owner: Owner,
    ring: RingFile | undefined,
    spool: SpoolFile | undefined,
  ): Promise<Found | undefined> {
    const runId = ring?.runId ?? (await runOfSpool(writerId, spool));
    const state = ownerState(owner);
    if (state === "elsewhere") {
      this.#tellOnce(writerId, "a ring or spool file is of a process in another pid namespace; left alone");
    }
    if (state !== "dead") return runId === undefined ? undefined : { runId, lives: true };
    const files = { writerId, runId: runId ?? "", ring, spool };
    if (runId === undefined) {
      this.#options.log.warn({ writerId }, "a dead process left a spool file without a whole frame; removed");
      await this.#remove(files);
      return undefined;
    }
    if ((this.#waiting.get(writerId)?.untilMs ?? 0) > performance.now()) return { runId, lives: false };
    const done = await this.#drain(files);
    return done ? undefined : { runId, lives: false };
  }

  /** True when all is handed over and the files are gone. */
  async #drain(files: LeftFiles): Promise<boolean> {
    const { writerId, runId } = files;
    const findings = noFindings();
    try {
      const { log, lastSeq, append } = this.#options;
      const refused = await handOver({ files, lastSeq, append, signal: this.#stopped.signal }, findings);
      findings.tornBytes = files.spool?.tornBytes ?? 0;
      const fields = { writerId, runId, ...findings, refused: refused.points };
      const { lostFrames, lostAtStart, damaged, heldPoints, tornBytes } = findings;
      const complete = lostFrames + damaged + heldPoints + tornBytes + refused.points === 0;
      if (complete) log.info(fields, "handed over what a dead process left");
      else log.error({ ...fields, reason: refused.reason }, "handed over what is left of a dead process");
      if (lostAtStart !== undefined) await this.#options.onLost?.({ runId, writerId, ...lostAtStart });
      await this.#remove(files);
      return true;
    } catch (error) {
      if (this.#stopped.signal.aborted) return false;
      this.#wait(writerId, error);
      return false;
    }
  }

  #wait(writerId: string, error: unknown): void {
    const before = this.#waiting.get(writerId)?.pauseMs;
    const pauseMs = before === undefined ? FIRST_PAUSE_MS : Math.min(2 * before, LONGEST_PAUSE_MS);
    this.#waiting.set(writerId, { untilMs: performance.now() + pauseMs, pauseMs });
    if (before === undefined) {
      this.#options.log.warn({ writerId, err: error }, "what a dead process left waits");
    }
  }

  #tellOnce(writerId: string, message: string, fields: object = {}): void {
    if (this.#told.has(writerId)) return;
    this.#told.add(writerId);
    this.#options.log.error({ writerId, ...this.#pathsOf(writerId), ...fields }, message);
  }

  /** Removes what could be read. The ring last: it tells which frames of the spool count. */
  async #remove({ writerId, ring, spool }: LeftFiles): Promise<void> {
    const paths = this.#pathsOf(writerId);
    if (spool !== undefined) await unlink(paths.spool).catch(() => undefined);
    if (ring !== undefined) await unlink(paths.ring).catch(() => undefined);
  }

  #pathsOf(writerId: string): { readonly ring: string; readonly spool: string } {
    const { ringsFolder, spoolFolder } = this.#options;
    return { ring: join(ringsFolder, `${writerId}.ring`), spool: join(spoolFolder, `${writerId}.frames`) };
  }
}

async function runOfSpool(writerId: string, spool: SpoolFile | undefined): Promise<string | undefined> {
  for await (const kept of spool?.frames() ?? []) return decodeFrame(kept, writerId, undefined)?.runId;
  return undefined;
}

async function removeUnfinished(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined && Date.now() - found.mtimeMs > MAKING_MS)
    await unlink(path).catch(() => undefined);
}
