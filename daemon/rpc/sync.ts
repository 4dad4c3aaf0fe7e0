import { PipekitError, type SyncRequest, type SyncResponse } from "@pipekit/proto";
import type { Delivery } from "../delivery/index.ts";
import type { Journal } from "../journal/index.ts";
import { namedSinks } from "./frames.ts";
import type { Intake, IntakeOptions } from "./intake.ts";
import { MAX_PAGE } from "./pages.ts";
import { SyncProgress } from "./sync-progress.ts";
import { type ForeignFolders, TakingIn } from "./taking-in.ts";
import { Changes, pause, runChanges } from "./watch.ts";

export type { ForeignFolders };

/** Two messages of a stream are at least this far apart, milliseconds. */
const TELL_EVERY_MS = 250;
/** How often a foreign journal that has nothing new is asked again, milliseconds. */
const POLL_MS = 500;

/** What a Sync works with. */
export interface SyncParts extends Pick<IntakeOptions, "content"> {
  readonly journal: Journal;
  readonly delivery: Pick<Delivery, "addSinks" | "onChange">;
  readonly intake: Intake;
  readonly foreign: ForeignFolders;
}

/** Back-fills sinks and tells how far they have come. See tracker.proto for what it promises. */
export async function* sync(
  parts: SyncParts,
  request: SyncRequest,
  signal: AbortSignal,
): AsyncGenerator<SyncResponse> {
  const specs = namedSinks(request.sinks, request.tracker, parts.intake.resolver);
  // What comes from elsewhere with sinks of its own is waited for at all of them, as is a run without a word of sinks.
  const all = specs.length === 0 || request.keepSinks;
  const progress = new SyncProgress(parts.journal, (spec) => all || specs.includes(spec), request.follow);
  const note = (text: string) => progress.note(text);
  // Before anything is chosen, so that no change is missed.
  const changes = new Changes(runChanges(parts.journal, parts.delivery), signal);
  const taking =
    request.stateFolder === "" ? undefined : await TakingIn.open(parts, { ...request, specs }, note);
  try {
    const syncing = new Syncing(parts, specs, request, progress, changes, taking);
    yield* syncing.run(signal);
  } finally {
    changes.close();
    await taking?.close();
  }
}

class Syncing {
  readonly #parts: SyncParts;
  readonly #specs: readonly string[];
  readonly #request: SyncRequest;
  readonly #progress: SyncProgress;
  readonly #changes: Changes;
  readonly #taking: TakingIn | undefined;
  #toldMs = Number.NEGATIVE_INFINITY;
  #told = "";

  constructor(
    parts: SyncParts,
    specs: readonly string[],
    request: SyncRequest,
    progress: SyncProgress,
    changes: Changes,
    taking: TakingIn | undefined,
  ) {
    this.#parts = parts;
    this.#specs = specs;
    this.#request = request;
    this.#progress = progress;
    this.#changes = changes;
    this.#taking = taking;
  }

  async *run(signal: AbortSignal): AsyncGenerator<SyncResponse> {
    if (this.#taking === undefined) await this.#chooseOwn(signal);
    while (!signal.aborted) {
      const more = await this.#takeIn(signal);
      await this.#lookAtChanges();
      if (!more && this.#progress.isSettled) break;
      yield* this.#tell(false);
      if (!more) await this.#wait(signal);
    }
    if (signal.aborted) return;
    const open = this.#progress.running;
    if (this.#taking !== undefined && open > 0) {
      this.#progress.note(
        `${open === 1 ? "One run has" : `${open} runs have`} not ended in that folder: sync it again later for the rest.`,
      );
    }
    yield* this.#tell(true);
  }

  /** The chosen runs of this daemon get the sinks. */
  async #chooseOwn(signal: AbortSignal): Promise<void> {
    const { journal } = this.#parts;
    const { runIds } = this.#request;
    if (runIds.length > 0) {
      const runs = await Promise.all(runIds.map((id) => journal.run(id)));
      for (const run of runs) await this.#parts.delivery.addSinks(run.runId, this.#specs);
      await this.#progress.add(runs);
      return;
    }
    for (let before: string | undefined; ; ) {
      const page = await journal.runs({ limit: MAX_PAGE, ...(before !== undefined && { before }) });
      for (const run of page) {
        if (signal.aborted) return;
        await this.#addSinks(run.runId);
      }
      await this.#progress.add(page);
      before = page.at(-1)?.runId;
      if (page.length < MAX_PAGE) return;
    }
  }

  /** Adds the sinks to one run of many: what cannot be done there is noted and stops no other. */
  async #addSinks(runId: string): Promise<void> {
    try {
      await this.#parts.delivery.addSinks(runId, this.#specs);
    } catch (error) {
      if (!(error instanceof PipekitError) || error.code !== "INVALID_ARGUMENT") throw error;
      this.#progress.note(error.message);
    }
  }

  /** Takes in some frames of the state folder; true when there may be more at once. */
  async #takeIn(signal: AbortSignal): Promise<boolean> {
    if (this.#taking === undefined) return false;
    const { runIds, more } = await this.#taking.step(signal);
    for (const runId of runIds) {
      // One whose start was not taken is unknown here; that is noted already.
      const run = await this.#parts.journal.run(runId).catch(onlyNotFound);
      if (run === undefined) continue;
      if (!this.#progress.has(runId)) await this.#addSinks(runId);
      // Its mark moves with what is taken in.
      await this.#progress.add([run]);
    }
    return more;
  }

  async #lookAtChanges(): Promise<void> {
    const changed = this.#changes.take();
    const { follow, runIds } = this.#request;
    if (follow && runIds.length === 0 && this.#taking === undefined) {
      for (const runId of changed.filter((id) => !this.#progress.has(id))) {
        await this.#addSinks(runId);
        await this.#progress.add([await this.#parts.journal.run(runId)]);
      }
    }
    await this.#progress.refresh(changed);
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const since = performance.now();
    if (this.#taking === undefined) await this.#changes.some();
    else await Promise.race([this.#changes.some(), pause(POLL_MS, signal)]);
    // Many changes in a row are looked at together.
    const left = TELL_EVERY_MS - (performance.now() - since);
    if (left > 0) await pause(left, signal);
  }

  /** A message, when there is something to tell and the last one is not too near. */
  *#tell(done: boolean): Generator<SyncResponse> {
    const nowMs = performance.now();
    if (!done && nowMs - this.#toldMs < TELL_EVERY_MS * 0.9) return;
    const counts = {
      ...this.#progress.counts(),
      framesRead: this.#taking?.framesRead ?? 0,
      framesTaken: this.#taking?.framesTaken ?? 0,
    };
    const text = JSON.stringify(counts);
    if (!done && text === this.#told && !this.#progress.hasNotes) return;
    this.#told = text;
    this.#toldMs = nowMs;
    yield { ...counts, done, notes: this.#progress.takeNotes() };
  }
}

function onlyNotFound(error: unknown): undefined {
  if (error instanceof PipekitError && error.code === "RUN_NOT_FOUND") return undefined;
  throw error;
}
