import type { OpenResult, SendResult, TrackerKind } from "@pipekit/adapters/tracker";
import type { Logger } from "pino";
import type { SinkEntry } from "../journal/journal.ts";
import { backoffMs } from "./backoff.ts";
import type { Batch, BatchLimits } from "./batch.ts";
import { Bell } from "./bell.ts";
import { sleep } from "./clock.ts";
import type { Endpoint } from "./endpoint.ts";
import { type Answer, type Job, type Outcome, type Setback, setbackOf } from "./exchange.ts";
import { describeFault } from "./guard.ts";
import { Ledger } from "./ledger.ts";
import type { SinkParts } from "./parts.ts";
import { countShown, reconcile } from "./reconcile.ts";
import { Retry } from "./retry.ts";
import { Session } from "./session.ts";
import { refusalOf, settle } from "./settle.ts";
import { Source, type SourceEnd } from "./source.ts";
import { toSinkEnd, toSinkRun } from "./translate.ts";

/** A save that only tells of one more setback of the same kind is made at most this often. */
const SETBACK_SAVE_MS = 5000;

/**
 * Takes one run to one sink, strictly in order: read a batch, send it, settle the answer, save the cursor, go on.
 * Holds records only while it gathers them or has a turn at the endpoint, so that memory does not grow with runs.
 *
 * Architecture Invariant: the journaled cursor never passes a record that is neither taken nor a dead letter.
 * Architecture Invariant: unless a replay is harmless, the cursor is saved before the next batch is sent.
 */
export class SinkLoop {
  readonly #parts: SinkParts;
  readonly #log: Logger;
  readonly #abort = new AbortController();
  readonly #bell: Bell;
  readonly #ledger: Ledger;
  readonly #source: Source;
  readonly #retry: Retry;
  readonly #session: Session;
  readonly #endpoint: Endpoint;
  /** Sink records of the item at the cursor that are settled already. */
  #part = 0;
  /** Records in the batch that is being tried again: it stays the same batch. */
  #again: number | undefined;
  /** Interruptions in a row by the journal or something unforeseen. */
  #interruptions = 0;
  #ended = false;

  constructor(parts: SinkParts, kind: TrackerKind, endpoint: Endpoint, entry: SinkEntry) {
    const { signal } = this.#abort;
    const { clock, random, limits, journal, content, reads } = parts;
    this.#parts = parts;
    this.#log = parts.log.child({ run: entry.runId, sink: entry.spec });
    this.#bell = new Bell(clock, signal);
    this.#ledger = new Ledger({ ...parts, signal }, entry);
    this.#source = new Source(journal, entry.runId, content, reads, entry.cursor);
    this.#session = new Session(parts, kind, entry.spec);
    this.#endpoint = endpoint;
    const onRecovered = (wake: () => void) => endpoint.onRecovered(wake);
    const onSetback = (setback: Setback, retryAtMs: number) => this.#onSetback(setback, retryAtMs);
    this.#retry = new Retry(endpoint, { clock, random, limits, onRecovered, onSetback });
  }

  get entry(): SinkEntry {
    return this.#ledger.entry;
  }

  /** Tells that the run has new records. */
  wake(): void {
    if (this.#ended || this.entry.state === "refused") return;
    this.#parts.onQuiet(this, false);
    this.#bell.ring();
  }

  /** Aborts what is in flight; `run` then ends without waiting for the tool. */
  stop(): void {
    this.#abort.abort(new Error("Delivery stops."));
  }

  /** Delivers until the run is done or `stop` is called. Never rejects. */
  async run(): Promise<void> {
    const { signal } = this.#abort;
    this.#parts.onQuiet(this, false);
    while (!signal.aborted && !(await this.#roundsUntilFailure())) {
      this.#interruptions++;
      const delay = backoffMs(this.#interruptions, 1000, 60_000, () => 1);
      await sleep(this.#parts.clock, delay, signal).catch(() => false);
      this.#rewind();
    }
    await this.#ledger.close();
    this.#ended = true;
    this.#parts.onQuiet(this, true);
    await this.#session.close();
  }

  /** True when the run is done; false when stopped, or when the journal or something unforeseen failed. */
  async #roundsUntilFailure(): Promise<boolean> {
    try {
      while (!(await this.#round())) this.#interruptions = 0;
      return true;
    } catch (error) {
      const stopped = this.#abort.signal.aborted;
      if (!stopped) this.#log.error({ fault: describeFault(error) }, "delivery of a run is interrupted");
      return false;
    }
  }

  /** One step; true when the run is done. */
  async #round(): Promise<boolean> {
    const { signal } = this.#abort;
    signal.throwIfAborted();
    await this.#retry.pause(signal);
    this.#bell.reset();
    if (!(await this.#source.load())) await this.#rest();
    else if (this.#session.isOpen || (await this.#open())) {
      await this.#gather();
      if (this.#source.hasRecords) await this.#send();
      else if (!this.#source.isEmpty) this.#ledger.update({ cursor: this.#source.take().end });
      else if (this.#source.end !== undefined) return this.#finish(this.#source.end);
    }
    return false;
  }

  /** Waits for new records. An adapter without work is closed after a while. */
  async #rest(): Promise<void> {
    if (this.entry.state !== "idle") this.#ledger.update({ state: "idle", lastError: "", retryAtUs: 0 });
    if (this.#ledger.isDirty) await this.#ledger.save();
    if (this.#bell.rung) return;
    this.#parts.onQuiet(this, true);
    const { idleCloseMs } = this.#parts.limits;
    if (this.#session.isOpen && (await this.#bell.wait(this.#session.isCrowded ? 0 : idleCloseMs))) return;
    void this.#session.close();
    await this.#bell.wait();
  }

  /** Opens the run in the tool; false when that has to be tried again. */
  async #open(): Promise<boolean> {
    const { runId, memo, remoteId } = this.entry;
    const { start } = await this.#parts.journal.run(runId);
    const known = Object.keys(memo).length === 0 ? undefined : memo;
    const answer = await this.#call<OpenResult>({
      name: "open",
      owner: runId,
      wait: () => this.#rewind(),
      run: (signal) => this.#session.adapter.open(toSinkRun(runId, start), known, signal),
    });
    if (answer.status === "retry") {
      this.#rewind();
      return false;
    }
    if (answer.status === "permanent") {
      await this.#refused(answer.reason);
      return false;
    }
    this.#session.markOpen();
    this.#endpoint.rate = this.#session.adapter.properties.requestsPerSecond;
    this.#ledger.update({ state: "sending", lastError: "", retryAtUs: 0, memo: answer.memo });
    this.#ledger.update({ remoteId: answer.remoteId, remoteUrl: answer.remoteUrl });
    // Before anything is sent it must be known where: else a crash makes a second run in a tool without search.
    if (known === undefined || remoteId !== answer.remoteId) await this.#ledger.save();
    return true;
  }

  /** The tool will not have the run. Its records wait, and it is asked again rarely. */
  async #refused(reason: string): Promise<void> {
    const { clock, limits, onQuiet } = this.#parts;
    this.#log.warn({ reason }, "a sink refuses a run");
    const retryAtUs = Math.round((clock.now() + limits.refusedRetryMs) * 1000);
    this.#ledger.update({ state: "refused", lastError: reason, retryAtUs });
    this.#rewind();
    await this.#ledger.save();
    void this.#session.close();
    onQuiet(this, true);
    await sleep(clock, limits.refusedRetryMs, this.#abort.signal);
    onQuiet(this, false);
  }

  /** Fills the batch. Where the journal has no more, live points wait a little for company, but never the run's end. */
  async #gather(): Promise<void> {
    const { clock, limits } = this.#parts;
    const until = clock.now() + limits.lingerMs;
    for (;;) {
      this.#bell.reset();
      if (await this.#source.fill(this.#batchLimits())) return;
      const left = until - clock.now();
      if (left <= 0 || !(await this.#bell.wait(left))) return;
    }
  }

  async #send(): Promise<void> {
    const { limits, crashpoint } = this.#parts;
    const sent: { batch?: Batch } = {};
    const answer = await this.#call<SendResult>({
      name: "send",
      owner: this.entry.runId,
      wait: () => this.#rewind(),
      run: async (signal) => {
        await this.#source.fill(this.#batchLimits());
        const batch = this.#source.take();
        sent.batch = batch;
        const { adapter } = this.#session;
        this.#source.prefetch(adapter.properties);
        crashpoint("before-send");
        const extraMs = (batch.fileBytes / limits.slowestBytesPerSecond) * 1000;
        const answer = await adapter.send(batch.records, extraMs, signal);
        crashpoint("after-send");
        return answer;
      },
    });
    if (answer.status === "retry" || sent.batch === undefined) {
      this.#again = sent.batch?.records.length ?? this.#again;
      this.#rewind();
    } else {
      await this.#settle(sent.batch, answer);
    }
    if (this.#session.isCrowded) void this.#session.close();
  }

  async #settle(batch: Batch, answer: SendResult): Promise<void> {
    const { limits } = this.#parts;
    const { place, whole, pointsSent, pointsDead, deadLetters } = settle(this.entry, batch, answer);
    this.#part = place.part;
    this.#again = undefined;
    this.#ledger.update({
      cursor: place.cursor,
      pointsSent: this.entry.pointsSent + pointsSent,
      pointsDead: this.entry.pointsDead + pointsDead,
    });
    if (whole)
      this.#ledger.update({ state: "sending", lastError: deadLetters[0]?.reason ?? "", retryAtUs: 0 });
    else this.#rewind();
    if (deadLetters.length > 0)
      this.#log.warn({ reason: deadLetters[0]?.reason, pointsDead }, "records refused");
    const replayIsHarmless = this.#session.isOpen && this.#session.adapter.properties.idempotentReplay;
    if (deadLetters.length > 0 || !replayIsHarmless) await this.#ledger.save(deadLetters);
    else if (this.#ledger.isDue(limits)) this.#ledger.saveSoon();
  }

  /** Ends the run in the tool and compares the counts. */
  async #finish({ end, to }: SourceEnd): Promise<boolean> {
    const { runId, spec, cursor } = this.entry;
    const { adapter } = this.#session;
    const answer = await this.#call<SendResult>({
      name: "finish",
      owner: runId,
      run: (signal) => adapter.finish(toSinkEnd(end), signal),
    });
    if (setbackOf(answer) !== undefined) return false;
    const reason = refusalOf(answer)?.reason;
    const letter = { runId, spec, kind: "end", points: 0, from: cursor, to };
    const deadLetters = reason === undefined ? [] : [{ ...letter, reason }];
    const series = await this.#parts.journal.series(runId);
    const keys = series.map(({ key }) => key);
    const count = await countShown(
      (job) => this.#call(job),
      runId,
      (signal) => adapter.count(keys, signal),
    );
    const { pointsShown, notes } = reconcile(series, this.entry, count);
    this.#ledger.addNotes(notes);
    this.#ledger.update({ cursor: to, state: "done", pointsShown, lastError: reason ?? "", retryAtUs: 0 });
    await this.#ledger.save(deadLetters);
    return true;
  }

  async #call<R extends Answer>(job: Job<R>): Promise<Outcome<R>> {
    const answer = await this.#retry.call(job, this.#abort.signal);
    this.#ledger.addNotes(this.#session.takeNotes());
    return answer;
  }

  #onSetback(setback: Setback, retryAtMs: number): void {
    const { state, lastError } = this.entry;
    const isNews = state !== "retrying" || lastError !== setback.reason;
    if (isNews)
      this.#log.info({ reason: setback.reason, cause: setback.cause }, "a sink must be tried again");
    this.#ledger.update({
      state: "retrying",
      lastError: setback.reason,
      retryAtUs: Math.round(retryAtMs * 1000),
    });
    if (isNews || this.#ledger.savedAgoMs >= SETBACK_SAVE_MS) this.#ledger.saveSoon();
  }

  #rewind(): void {
    this.#source.rewind({ cursor: this.entry.cursor, part: this.#part });
  }

  #batchLimits(): BatchLimits {
    const { maxPoints, maxRecords, maxBytes } = this.#session.adapter.properties;
    return { maxPoints, maxBytes, maxRecords: Math.min(maxRecords, this.#again ?? maxRecords) };
  }
}
