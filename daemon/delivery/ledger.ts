import type { Logger } from "pino";
import type { Journal, NewDeadLetter, SinkEntry } from "../journal/journal.ts";
import { backoffMs } from "./backoff.ts";
import { type Clock, sleep } from "./clock.ts";
import { describeFault } from "./guard.ts";

const MAX_NOTES = 100;

/** Points in a sink's life at which a fault test may end the process. */
export type CrashPoint = "before-send" | "after-send" | "before-cursor" | "after-cursor";

/** What a ledger needs. */
export interface LedgerParts {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Logger;
  readonly crashpoint: (name: CrashPoint) => void;
  readonly onSaved: (runId: string) => void;
  readonly signal: AbortSignal;
}

/** What is known of one sink of one run, in memory, and its way into the journal: saves keep their order. */
export class Ledger {
  readonly #parts: LedgerParts;
  #entry: SinkEntry;
  #dirty = false;
  #savedAtMs: number;
  #unsavedMoves = 0;
  /** True when a change of dead letters could not be saved: then what is known of the sink must not be either. */
  #stuck = false;
  #tail: Promise<void> = Promise.resolve();

  constructor(parts: LedgerParts, entry: SinkEntry) {
    this.#parts = parts;
    this.#entry = entry;
    this.#savedAtMs = parts.clock.now();
  }

  get entry(): SinkEntry {
    return this.#entry;
  }

  /** Moves the cursor or changes what is known, in memory. */
  update(change: Partial<SinkEntry>): void {
    this.#entry = { ...this.#entry, ...change };
    this.#dirty = true;
    if (change.cursor !== undefined) this.#unsavedMoves++;
  }

  /** Adds what is not noted yet, up to a bound. */
  addNotes(notes: readonly string[]): void {
    const fresh = notes.filter((note) => !this.#entry.notes.includes(note));
    if (fresh.length > 0) this.update({ notes: [...this.#entry.notes, ...fresh].slice(0, MAX_NOTES) });
  }

  get isDirty(): boolean {
    return this.#dirty;
  }

  /** Whether so much is unsaved that it should be saved. */
  isDue(limits: { saveEveryMs: number; saveEveryBatches: number }): boolean {
    if (!this.#dirty) return false;
    const age = this.#parts.clock.now() - this.#savedAtMs;
    return age >= limits.saveEveryMs || this.#unsavedMoves >= limits.saveEveryBatches;
  }

  /** Milliseconds since the last save was begun. */
  get savedAgoMs(): number {
    return this.#parts.clock.now() - this.#savedAtMs;
  }

  /** Saves in the background; a later save waits for it. */
  saveSoon(): void {
    this.save().catch(() => undefined);
  }

  /**
   * Saves the entry as it is now, together with `deadLetters`, and forgets the letters `settled`. Tries until it is on
   * disk, since going on without would send things twice; rejects on abort only.
   */
  save(deadLetters: readonly NewDeadLetter[] = [], settled: readonly number[] = []): Promise<void> {
    const entry = this.#entry;
    this.#dirty = false;
    this.#unsavedMoves = 0;
    this.#savedAtMs = this.#parts.clock.now();
    const saved = this.#tail.then(() => this.#write(entry, deadLetters, settled));
    this.#tail = saved.catch(() => undefined);
    return saved;
  }

  /** Waits for the saves under way and saves what is left, with one try only. */
  async close(): Promise<void> {
    await this.#tail;
    if (!this.#dirty || this.#stuck) return;
    this.#dirty = false;
    await this.#parts.journal.saveSink(this.#entry, []).catch((error) => this.#warn(error));
  }

  async #write(
    entry: SinkEntry,
    deadLetters: readonly NewDeadLetter[],
    settled: readonly number[],
  ): Promise<void> {
    const { journal, clock, crashpoint, signal } = this.#parts;
    for (let failures = 1; ; failures++) {
      try {
        crashpoint("before-cursor");
        const state = await journal.saveSink(entry, deadLetters, settled);
        crashpoint("after-cursor");
        // The journal knows better whether a run goes on.
        if (state !== entry.state) this.#entry = { ...this.#entry, state, pointsShown: -1 };
        this.#stuck = false;
        this.#parts.onSaved(entry.runId);
        return;
      } catch (error) {
        this.#warn(error);
        this.#dirty = true;
        this.#stuck = deadLetters.length > 0 || settled.length > 0;
        await sleep(
          clock,
          backoffMs(failures, 1000, 30_000, () => 1),
          signal,
        );
      }
    }
  }

  #warn(error: unknown): void {
    const { runId, spec } = this.#entry;
    this.#parts.log.warn({ run: runId, sink: spec, fault: describeFault(error) }, "a cursor was not saved");
  }
}
