import type { TrackerKind } from "@pipekit/adapters/tracker";
import type { SinkEntry } from "../journal/journal.ts";
import { backoffMs } from "./backoff.ts";
import { Bell } from "./bell.ts";
import { sleep } from "./clock.ts";
import type { Endpoint } from "./endpoint.ts";
import { finishRun } from "./finishing.ts";
import { describeFault } from "./guard.ts";
import { openRun } from "./opening.ts";
import type { SinkParts } from "./parts.ts";
import { sendBatch } from "./sending.ts";
import { Sink } from "./sink.ts";

/**
 * Takes one run to one sink, strictly in order: read a batch, send it, settle the answer, save the cursor, go on.
 * Holds records only while it gathers them or has a turn at the endpoint, so that memory does not grow with runs.
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

  constructor(parts: SinkParts, kind: TrackerKind, endpoint: Endpoint, entry: SinkEntry) {
    const { signal } = this.#abort;
    this.#parts = parts;
    this.#sink = new Sink(parts, kind, endpoint, entry, signal);
    this.#bell = new Bell(parts.clock, signal);
  }

  /** Tells that the run may have new records. */
  wake(): void {
    if (this.#ended || this.#sink.entry.state === "refused") return;
    this.#parts.onQuiet(this.#sink, false);
    this.#bell.ring();
  }

  /** Aborts what is in flight; `run` then ends without waiting for the tool. */
  stop(): void {
    this.#abort.abort(new Error("Delivery stops."));
  }

  /** Delivers until the run is done or `stop` is called. Never rejects. */
  async run(): Promise<void> {
    const { signal } = this.#abort;
    this.#parts.onQuiet(this.#sink, false);
    while (!signal.aborted && !(await this.#roundsUntilFailure())) {
      this.#interruptions++;
      const delay = backoffMs(this.#interruptions, 1000, 60_000, () => 1);
      await sleep(this.#parts.clock, delay, signal).catch(() => false);
      this.#sink.rewind();
    }
    await this.#sink.ledger.close();
    this.#ended = true;
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
    await this.#sink.pause();
    this.#bell.reset();
    if (!(await source.load())) await this.#rest();
    else if (session.isOpen || (await openRun(this.#sink))) {
      await this.#gather();
      if (source.hasRecords) await sendBatch(this.#sink);
      else if (!source.isEmpty) ledger.update({ cursor: source.take().end });
      else if (source.end !== undefined) return finishRun(this.#sink, source.end);
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
