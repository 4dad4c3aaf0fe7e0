import { realpath, stat } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { type Frame, PipekitError, type Record } from "@pipekit/proto";
import type { ContentStore, Hold } from "../content/index.ts";
import { type ForeignJournal, type Journal, refusesFrame } from "../journal/index.ts";
import { foreignRecords, journaledArtifact, spooledArtifact } from "./foreign-records.ts";
import { ForeignSpool } from "./foreign-spool.ts";
import { checkFrameIds } from "./frames.ts";
import type { Intake } from "./intake.ts";

/** Frames taken in at a time; between two times progress is told. */
const FRAMES_AT_A_TIME = 64;
/** Frames without records leave no trace in a journal but their numbers; a larger gap is damage. */
const MAX_GAP = 100_000;
const JOURNAL_FILE = "journal.db";

/** State folders of other daemons. */
export interface ForeignFolders {
  /** Real path of our own, which cannot be taken in. */
  readonly ownFolder: string;
  /** Opens a journal file for reading, also while it is written. Throws INVALID_ARGUMENT, CORRUPT_JOURNAL. */
  open(file: string): Promise<ForeignJournal>;
}

/** What is taken in. */
export interface TakingInChoice {
  readonly stateFolder: string;
  /** Ids or unique prefixes; empty for all. */
  readonly runIds: readonly string[];
  readonly keepSinks: boolean;
  /** Canonical specs for every run. */
  readonly specs: readonly string[];
}

export interface TakingInParts {
  readonly journal: Pick<Journal, "lastSeq">;
  readonly content: Pick<ContentStore, "adopt" | "ingest" | "hold">;
  readonly intake: Intake;
  readonly foreign: ForeignFolders;
}

/**
 * Takes the frames of another state folder into our journal, in their order there, and then those that wait in its
 * spool. Each is known by writer and seq, so that taking in again, or what another way brought here, doubles nothing.
 * The files of an artifact are in our content store before its frame is in our journal. What cannot be taken in is
 * noted, and holds up its own writer alone.
 */
export class TakingIn {
  readonly #parts: TakingInParts;
  readonly #choice: TakingInChoice;
  readonly #folder: string;
  readonly #journal: ForeignJournal;
  readonly #spool: ForeignSpool;
  readonly #note: (text: string) => void;
  /** Undefined for all. */
  readonly #wanted: ReadonlySet<string> | undefined;
  /** Seq of the last frame that our journal has of a writer. */
  readonly #lastSeqs = new Map<string, number>();
  /** Writers that cannot go on. */
  readonly #refused = new Set<string>();
  #position = 0;
  framesRead = 0;
  framesTaken = 0;

  /** Throws INVALID_ARGUMENT, RUN_NOT_FOUND, REF_AMBIGUOUS, CORRUPT_JOURNAL. */
  static async open(
    parts: TakingInParts,
    choice: TakingInChoice,
    note: (text: string) => void,
  ): Promise<TakingIn> {
    const folder = await checkFolder(choice.stateFolder, parts.foreign.ownFolder);
    const journal = await parts.foreign.open(join(folder, JOURNAL_FILE));
    try {
      const runs = await Promise.all(choice.runIds.map((id) => journal.run(id)));
      const wanted = runs.length === 0 ? undefined : new Set(runs.map(({ runId }) => runId));
      return new TakingIn(parts, choice, folder, journal, wanted, note);
    } catch (error) {
      await journal.close();
      throw error;
    }
  }

  private constructor(
    parts: TakingInParts,
    choice: TakingInChoice,
    folder: string,
    journal: ForeignJournal,
    wanted: ReadonlySet<string> | undefined,
    note: (text: string) => void,
  ) {
    this.#parts = parts;
    this.#choice = choice;
    this.#folder = folder;
    this.#journal = journal;
    this.#spool = new ForeignSpool(folder);
    this.#wanted = wanted;
    this.#note = note;
  }

  close(): Promise<void> {
    return this.#journal.close();
  }

  /**
   * Takes in the next frames. Returns the runs that they belong to, and whether there may be more at once.
   * Throws CORRUPT_JOURNAL, STORAGE_FULL, DAEMON_UNAVAILABLE.
   */
  async step(signal: AbortSignal): Promise<{ runIds: ReadonlySet<string>; more: boolean }> {
    await this.#parts.intake.admit();
    const frames = await this.#journal.frames(this.#position, FRAMES_AT_A_TIME);
    const runIds = new Set<string>();
    // Appends go on while the next frame is read, so that they share commits; a fault is seen at the end.
    const appends: Promise<void>[] = [];
    try {
      for (const { position, frame } of frames) {
        signal.throwIfAborted();
        this.#position = position;
        await this.#takeJournaled(frame, runIds, appends, signal);
      }
      if (frames.length === 0) await this.#takeSpooled(runIds, appends, signal);
    } finally {
      await Promise.allSettled(appends);
    }
    await Promise.all(appends);
    return { runIds, more: frames.length > 0 };
  }

  async #takeJournaled(
    frame: Frame,
    runIds: Set<string>,
    appends: Promise<void>[],
    signal: AbortSignal,
  ): Promise<void> {
    const before = await this.#seqBefore(frame, runIds);
    if (before === undefined) return;
    const { writerId, runId, seq } = frame;
    if (seq - before > MAX_GAP) {
      this.#refuse(frame, "frames before it are missing in the folder.");
      return;
    }
    const hold = this.#parts.content.hold();
    const records = await this.#releasing(hold, () =>
      foreignRecords(frame, journaledArtifact, this.#recordParts(hold, signal)),
    );
    const sinks = await this.#sinksOf(frame);
    // A frame whose records were all refused there has no body: only its number is used up.
    for (let gap = before + 1; gap < seq; gap++) {
      appends.push(this.#append({ writerId, runId, seq: gap, records: [] }, []));
    }
    appends.push(this.#append({ ...frame, records }, sinks, hold));
  }

  /** Frames that the folder's own daemon has not seen: as its client sent them, to be taken when none before is missing. */
  async #takeSpooled(runIds: Set<string>, appends: Promise<void>[], signal: AbortSignal): Promise<void> {
    for await (const frame of this.#spool.fresh()) {
      signal.throwIfAborted();
      const before = await this.#seqBefore(frame, runIds);
      if (before === undefined) continue;
      const hold = this.#parts.content.hold();
      const records = await this.#releasing(hold, () => this.#spooledRecords(frame, before, hold, signal));
      if (records === undefined) {
        hold.release();
        this.#spool.again(frame.writerId);
        // The frames behind it are not passed over: its own daemon may yet bring it.
        this.#lastSeqs.delete(frame.writerId);
        continue;
      }
      appends.push(this.#append({ ...frame, records }, await this.#sinksOf(frame), hold));
      if (appends.length >= FRAMES_AT_A_TIME) await Promise.all(appends.splice(0));
    }
  }

  /** Undefined when the frame must wait. */
  async #spooledRecords(
    frame: Frame,
    before: number,
    hold: Hold,
    signal: AbortSignal,
  ): Promise<Record[] | undefined> {
    const mend = "Start that folder's own daemon once (`pkx serve --state-dir ...`) and sync again.";
    if (frame.seq !== before + 1) {
      this.#note(`Frames of run ${frame.runId} are missing before those in the spool. ${mend}`);
      return undefined;
    }
    try {
      return await foreignRecords(frame, spooledArtifact, this.#recordParts(hold, signal));
    } catch (error) {
      if (!(error instanceof PipekitError) || error.code !== "ARTIFACT_UNREADABLE") throw error;
      this.#note(`Frames of run ${frame.runId} wait in the spool: ${error.message} ${mend}`);
      return undefined;
    }
  }

  /** Seq of the frame before this one, when this one is wanted and new; it counts as read. */
  async #seqBefore(frame: Frame, runIds: Set<string>): Promise<number | undefined> {
    this.framesRead++;
    const { writerId, runId, seq } = frame;
    if (this.#wanted?.has(runId) === false || !this.#isSound(frame)) return undefined;
    runIds.add(runId);
    if (this.#refused.has(writerId)) return undefined;
    const known = this.#lastSeqs.get(writerId) ?? (await this.#parts.journal.lastSeq(writerId));
    if (seq <= known) {
      this.#lastSeqs.set(writerId, known);
      return undefined;
    }
    this.#lastSeqs.set(writerId, seq);
    return known;
  }

  #isSound(frame: Frame): boolean {
    try {
      checkFrameIds(frame);
      return true;
    } catch (error) {
      if (!(error instanceof PipekitError)) throw error;
      this.#note(`A frame in the folder is left out: ${error.message}`);
      return false;
    }
  }

  async #append(
    frame: Frame,
    sinks: readonly string[],
    hold: Hold = this.#parts.content.hold(),
  ): Promise<void> {
    try {
      const result = await this.#parts.intake.appendForeign(frame, sinks, hold);
      if (result === "appended" && frame.records.length > 0) this.framesTaken++;
    } catch (error) {
      if (!refusesFrame(error)) throw error;
      this.#refuse(frame, error.message);
    }
  }

  #refuse({ writerId, runId }: Frame, why: string): void {
    // What follows the refused frame is refused for the gap that it leaves: that is no news.
    if (this.#refused.has(writerId)) return;
    this.#refused.add(writerId);
    this.#note(`Run ${runId} is not taken in whole: ${why}`);
  }

  /** The sinks of a run that this frame starts. */
  async #sinksOf(frame: Frame): Promise<readonly string[]> {
    // Behind a resume stands what starts the run where there is none.
    const [first, second] = frame.records;
    const start = first?.record?.$case === "resume" ? second?.record : first?.record;
    if (start?.$case !== "start" || !this.#choice.keepSinks) return this.#choice.specs;
    const { resolver } = this.#parts.intake;
    // A run in the spool is unknown to that journal still.
    const own = await this.#journal.sinks(frame.runId).then(
      (sinks) => sinks.map(({ spec }) => spec),
      () => start.value.sinks,
    );
    const specs = new Set(this.#choice.specs);
    for (const spec of own) {
      try {
        for (const canonical of resolver.canonicalSpecs([spec])) specs.add(canonical);
      } catch (error) {
        if (!(error instanceof PipekitError)) throw error;
        this.#note(`A sink of run ${frame.runId} is left out: ${error.message}`);
      }
    }
    return [...specs];
  }

  #recordParts(hold: Hold, signal: AbortSignal) {
    return { folder: this.#folder, content: this.#parts.content, hold, note: this.#note, signal };
  }

  async #releasing<T>(hold: Hold, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      hold.release();
      throw error;
    }
  }
}

/** The real path of a state folder that may be taken in. */
async function checkFolder(folder: string, ownFolder: string): Promise<string> {
  if (!isAbsolute(folder)) throw unusable("The path of the state folder is not absolute.");
  const real = await realpath(folder).catch(() => undefined);
  if (real === undefined) throw unusable(`There is no folder ${folder} on the daemon's host.`);
  if (real === ownFolder) throw unusable("The state folder is this daemon's own.");
  const found = await stat(join(real, JOURNAL_FILE)).catch(() => undefined);
  if (found === undefined) throw unusable(`${folder} has no ${JOURNAL_FILE}.`);
  return real;
}

function unusable(message: string): PipekitError {
  return new PipekitError("INVALID_ARGUMENT", message, {
    field: "state_folder",
    mend: "Give the absolute path of another daemon's state folder: the one that holds its journal.db.",
  });
}
