import type { TrackerKind } from "@pipekit/adapters/tracker";
import type { Logger } from "pino";
import type { SinkEntry } from "../journal/journal.ts";
import type { BatchLimits } from "./batch.ts";
import { Bell } from "./bell.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Answer, Job, Outcome, Setback } from "./exchange.ts";
import { Ledger } from "./ledger.ts";
import { LetterQueue } from "./letters.ts";
import type { SinkParts } from "./parts.ts";
import { Retry } from "./retry.ts";
import { Session } from "./session.ts";
import { Source } from "./source.ts";

/** A save that only tells of one more setback of the same kind is made at most this often. */
const SETBACK_SAVE_MS = 5000;

/** One sink of one run: what it reads from, what it calls, and what is known of it. */
export class Sink {
  readonly parts: SinkParts;
  readonly log: Logger;
  /** Aborts when delivery stops. */
  readonly signal: AbortSignal;
  readonly ledger: Ledger;
  readonly source: Source;
  readonly session: Session;
  readonly endpoint: Endpoint;
  /** Dead letters to be sent once more. */
  readonly letters: LetterQueue;
  /** Rung when a person asks for a try, for the wait of a refused sink. */
  readonly hurried: Bell;
  /** First scheme of the tool's kind. */
  readonly kind: string;
  /** Batches given to the tool since the seat was taken. */
  seatedBatches = 0;
  /** True when the last batch was as large as it may be, or was not taken: more may wait behind it. */
  isBehind = false;
  /** Ends the wait for a seat, since the run goes on. */
  endSeatWait = () => {};
  readonly #retry: Retry;
  /** Sink records of the item at the cursor that are settled already. */
  #part = 0;
  /** Records in the batch that is being tried again: it stays the same batch. */
  #again: number | undefined;

  constructor(
    parts: SinkParts,
    kind: TrackerKind,
    endpoint: Endpoint,
    entry: SinkEntry,
    signal: AbortSignal,
  ) {
    const { clock, random, limits, journal, content, reads } = parts;
    this.parts = parts;
    this.kind = kind.schemes[0] ?? "";
    this.log = parts.log.child({ run: entry.runId, sink: entry.spec });
    this.signal = signal;
    this.ledger = new Ledger({ ...parts, signal }, entry);
    this.source = new Source(journal, entry.runId, content, reads, entry.cursor);
    this.session = new Session(parts, kind, entry.spec);
    this.endpoint = endpoint;
    this.letters = new LetterQueue(clock, limits.redrivePatienceMs);
    this.hurried = new Bell(clock, signal);
    const onRecovered = (wake: () => void) => endpoint.onRecovered(wake);
    const onSetback = (setback: Setback, retryAtMs: number) => this.#onSetback(setback, retryAtMs);
    this.#retry = new Retry(endpoint, { clock, random, limits, onRecovered, onSetback });
  }

  get entry(): SinkEntry {
    return this.ledger.entry;
  }

  /** Size of the next batch. The adapter must be open. */
  get batchLimits(): BatchLimits {
    const { maxPoints, maxRecords, maxBytes } = this.session.adapter.properties;
    return { maxPoints, maxBytes, maxRecords: Math.min(maxRecords, this.#again ?? maxRecords) };
  }

  /** `fresh` before a try; `told` when the breaker asked to wait, a few times in a row; `over` after a setback, or more. */
  get patience(): "fresh" | "told" | "over" {
    return this.#retry.patience;
  }

  /** Waits out the last setback. */
  pause(): Promise<void> {
    return this.#retry.pause(this.signal);
  }

  /** Ends a wait between two tries, where the tool did not name its time; a refused sink is asked again. */
  async hurry(): Promise<void> {
    this.#retry.hurry();
    if (this.entry.state !== "refused") return;
    this.ledger.update({ state: "retrying", retryAtUs: 0 });
    await this.ledger.save();
    this.hurried.ring();
  }

  /** Makes a call to the adapter through the decorators, and keeps what the adapter notes. */
  async call<R extends Answer>(job: Omit<Job<R>, "owner">): Promise<Outcome<R>> {
    const { runId } = this.entry;
    const { observer } = this.parts;
    const observed: typeof job.run =
      observer === undefined
        ? job.run
        : (signal) => observer.call({ name: job.name, kind: this.kind, runId }, () => job.run(signal));
    const answer = await this.#retry.call({ ...job, run: observed, owner: runId }, this.signal);
    this.ledger.addNotes(this.session.takeNotes());
    return answer;
  }

  /** Forgets what was read beyond the cursor. `records` is given when a batch of that size must be sent again. */
  rewind(records?: number): void {
    this.#again = records ?? this.#again;
    this.source.rewind({ cursor: this.entry.cursor, part: this.#part });
  }

  /** The batch is settled: the next is of any size, and `part` records of the item at the cursor are settled too. */
  settled(part: number): void {
    this.#part = part;
    this.#again = undefined;
  }

  #onSetback({ reason, cause }: Setback, retryAtMs: number): void {
    this.isBehind = true;
    this.letters.excuse();
    this.parts.observer?.setback(this.kind, cause);
    const { state, lastError } = this.entry;
    const isNews = state !== "retrying" || lastError !== reason;
    if (isNews) this.log.info({ reason, cause }, "a sink must be tried again");
    const retryAtUs = Math.round(this.parts.clock.unixMs(retryAtMs) * 1000);
    this.ledger.update({ state: "retrying", lastError: reason, retryAtUs });
    if (isNews || this.ledger.savedAgoMs >= SETBACK_SAVE_MS) this.ledger.saveSoon();
  }
}
