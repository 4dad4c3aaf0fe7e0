import type { TrackerKind } from "@pipekit/adapters/tracker";
import type { DeadLetterEntry, SinkEntry } from "../journal/journal.ts";
import { backoffMs } from "./backoff.ts";
import { Bell } from "./bell.ts";
import { sleep } from "./clock.ts";
import { endLetters, endRun, passedEnd } from "./ending.ts";
import type { Endpoint } from "./endpoint.ts";
import { finishRun } from "./finishing.ts";
import { describeFault } from "./guard.ts";
import type { Redriven } from "./letters.ts";
import { openRun } from "./opening.ts";
import type { SinkParts } from "./parts.ts";
import { redriveLetter } from "./redrive.ts";
import { makeRoom, standBack } from "./seating.ts";
import { sendBatch } from "./sending.ts";
import { Sink } from "./sink.ts";

/**
 * Takes one run to one sink, strictly in order: read a batch, send it, settle the answer, save the cursor, go on.
 * Holds records only while it gathers them or has a turn at the endpoint, and of an ended run a session only while it has a
 * seat there, so that memory does not grow with runs.
 *
 * Architecture Invariant: the journaled cursor never passes a record that is neither taken nor a dead letter.
 * Architecture Invariant: unless a replay is harmless, the cursor is saved before the next batch is sent.
 */
export class SinkLoop {
  readonly #parts: SinkParts;
  readonly #abort = new AbortController();
  readonly #sink: Sink;
  readonly #bell: Bell;
  /** Interruptions in a row by the journal or something unforeseen. */
  #interruptions = 0;
  #ended = false;
  /** Dead letters and new records take turns. */
  #letterTurn = true;
  /** True when the cursor may stand behind the run's end already: reopened for a dead letter, and perhaps restarted. */
  #mayBePastEnd: boolean;

  constructor(parts: SinkParts, kind: TrackerKind, endpoint: Endpoint, entry: SinkEntry) {
    const { signal } = this.#abort;
    this.#parts = parts;
    this.#sink = new Sink(parts, kind, endpoint, entry, signal);
    this.#bell = new Bell(parts.clock, signal);
    this.#mayBePastEnd = entry.state !== "idle";
  }

  /** Tells that the run may have new records. */
  wake(): void {
    if (this.#sink.entry.state === "refused") return;
    if (!this.#ended) this.#parts.onQuiet(this.#sink, false);
    this.#bell.ring();
    this.#sink.endSeatWait();
  }

  /** True when `wake` was called too late for this loop: the run may have been resumed. */
  get missedWake(): boolean {
    return this.#ended && this.#bell.rung;
  }

  /** Sends dead letters once more, between new records; undefined when the loop has ended. */
  redrive(letters: readonly DeadLetterEntry[]): Promise<Redriven> | undefined {
    if (this.#ended || this.#abort.signal.aborted) return undefined;
    const outcome = this.#sink.letters.add(letters);
    this.#parts.onQuiet(this.#sink, false);
    this.#bell.ring();
    void this.hurry();
    return outcome;
  }

  /** Tries at once what waits for its next try. Resolves when a refused sink is known as one that is asked again. */
  async hurry(): Promise<void> {
    if (!this.#ended) await this.#sink.hurry().catch(() => undefined);
  }

  /** Aborts what is in flight; `run` then ends without waiting for the tool. */
  stop(): void {
    this.#abort.abort(new Error("Delivery stops."));
  }

  /** Delivers until the run is done or `stop` is called. Never rejects. */
  async run(): Promise<void> {
    const { signal } = this.#abort;
    this.#parts.onQuiet(this.#sink, false);
    while (!signal.aborted) {
      if (await this.#roundsUntilFailure()) {
        if (this.#sink.letters.isEmpty) break;
        this.#mayBePastEnd = true;
        continue;
      }
      if (signal.aborted) break;
      void this.#sink.session.close();
      this.#interruptions++;
      const delay = backoffMs(this.#interruptions, 1000, 60_000, () => 1);
      await sleep(this.#parts.clock, delay, signal).catch(() => false);
      this.#sink.rewind();
    }
    this.#ended = true;
    this.#sink.letters.excuse();
    await this.#sink.ledger.close();
    this.#parts.onQuiet(this.#sink, true);
    await this.#sink.session.close();
  }

  /** True when the run is done; false when stopped, or when the journal or something unforeseen failed. */
  async #roundsUntilFailure(): Promise<boolean> {
    try {
      while (!(await this.#round())) this.#interruptions = 0;
      return true;
    } catch (error) {
      if (!this.#abort.signal.aborted) {
        this.#sink.log.error({ fault: describeFault(error) }, "delivery of a run is interrupted");
      }
      return false;
    }
  }

  /** One step; true when the run is done. */
  async #round(): Promise<boolean> {
    const { source, session, ledger, signal } = this.#sink;
    signal.throwIfAborted();
    standBack(this.#sink);
    await this.#sink.pause();
    this.#bell.reset();
    if (session.isOpen && (await makeRoom(this.#sink))) return false;
    const letter = this.#letterTurn ? this.#nextLetter : undefined;
    this.#letterTurn = letter === undefined;
    if (letter !== undefined) await this.#redrive(letter);
    else if (!(await source.load())) return this.#nothingNew();
    else if (session.isOpen || (await openRun(this.#sink))) {
      await this.#gather();
      if (source.hasRecords) await sendBatch(this.#sink);
      else if (!source.isBlank) ledger.update({ cursor: source.take().end });
      else if (source.end !== undefined) return endRun(this.#sink, source.end);
    }
    return false;
  }

  /** The dead letter whose turn it is. The run's end is no letter to send: it is told again when all others are sent. */
  get #nextLetter(): DeadLetterEntry | undefined {
    const { next } = this.#sink.letters;
    return next?.kind === "end" ? undefined : next;
  }

  async #redrive(letter: DeadLetterEntry): Promise<void> {
    const { session, letters } = this.#sink;
    if (!session.isOpen && !(await openRun(this.#sink))) return;
    const progress = await redriveLetter(this.#sink, letter);
    if (progress !== undefined) letters.progressed(letter.id, progress);
  }

  /** Goes on with dead letters, ends the run anew where it had ended before, or waits; true when the run is done. */
  async #nothingNew(): Promise<boolean> {
    if (this.#nextLetter !== undefined) return false;
    const end = this.#mayBePastEnd ? await passedEnd(this.#sink) : undefined;
    if (end === undefined) {
      this.#mayBePastEnd = false;
      await this.#rest();
    } else if (this.#sink.session.isOpen || (await openRun(this.#sink))) {
      return finishRun(this.#sink, end, await endLetters(this.#sink));
    }
    return false;
  }

  /** Waits for new records. An adapter without work is closed after a while. */
  async #rest(): Promise<void> {
    const { ledger, session, entry } = this.#sink;
    if (entry.state !== "idle") ledger.update({ state: "idle", lastError: "", retryAtUs: 0 });
    if (ledger.isDirty) await ledger.save();
    if (this.#bell.rung) return;
    this.#parts.onQuiet(this.#sink, true);
    if (session.isOpen && (await this.#bell.wait(this.#parts.limits.idleCloseMs))) return;
    void session.close();
    await this.#bell.wait();
  }

  /** Fills the batch. Where the journal has no more, live points wait a little for company; the run's end does not. */
  async #gather(): Promise<void> {
    const { clock, limits } = this.#parts;
    const until = clock.now() + limits.lingerMs;
    for (;;) {
      this.#bell.reset();
      if (await this.#sink.source.fill(this.#sink.batchLimits)) return;
      const left = until - clock.now();
      if (left <= 0 || !(await this.#bell.wait(left))) return;
    }
  }
}
