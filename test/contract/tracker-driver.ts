/** Drives one adapter as delivery does, without a journal: the same batch again after a setback, memos with what is settled. */

import type {
  AdapterMemo,
  OpenResult,
  SendResult,
  SinkEnd,
  SinkRecord,
  SinkRun,
  TrackerAdapter,
} from "@pipekit/adapters/tracker";
import { expect } from "vitest";
import type { ShownRun, TrackerHarness } from "./tracker-harness.ts";
import { expectPoints, newRun, type PointRecord } from "./tracker-records.ts";

export const never = new AbortController().signal;

/** Tries of one batch after which a test gives up. */
const MOST_TRIES = 40;
/** Most bytes of a memo: it is written with each cursor. */
const LONGEST_MEMO = 64 * 1024;

export type Opened = Extract<OpenResult, { status: "ok" }>;

/** One run at the tool, and what delivery would know of it. */
export class Driver {
  run: SinkRun;
  /** The memo that is saved with the cursor. */
  memo: AdapterMemo;
  /** Points that the adapter has refused for good. */
  readonly refused: PointRecord[] = [];
  /** Results that asked for another try. */
  setbacks = 0;
  readonly notes: string[] = [];
  /** Notes of adapters before this one, which cannot know what those have told. */
  #notesBefore = 0;
  readonly #harness: TrackerHarness;
  readonly #adapters: TrackerAdapter[];
  adapter: TrackerAdapter;

  private constructor(harness: TrackerHarness, run: SinkRun, adapters: TrackerAdapter[]) {
    this.#harness = harness;
    this.run = run;
    this.#adapters = adapters;
    this.memo = {};
    this.adapter = this.#connect();
  }

  /** A new run, opened. `adapters` gets each adapter that is made, for closing. */
  static async open(harness: TrackerHarness, adapters: TrackerAdapter[], run = newRun()): Promise<Driver> {
    const driver = new Driver(harness, run, adapters);
    await driver.open();
    return driver;
  }

  /** Opens the run with the saved memo, again after each setback. */
  async open(): Promise<Opened> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const known = Object.keys(this.memo).length === 0 ? undefined : this.memo;
      const answer = await this.adapter.open(this.run, known, never);
      if (answer.status === "ok") {
        this.memo = this.#checked(answer.memo);
        return answer;
      }
      expect(answer.status, answer.reason).toBe("retry");
      this.#checkText(answer.reason);
      this.setbacks++;
    }
    throw new Error("The run was never opened.");
  }

  /** As after a kill -9 of the daemon: a new adapter that knows the saved memo only. */
  async restart(memo: AdapterMemo = this.memo): Promise<Opened> {
    this.memo = memo;
    this.adapter = this.#connect();
    this.#notesBefore = this.notes.length;
    return await this.open();
  }

  /** As when the run goes on after its end. */
  async resume(memo: AdapterMemo = this.memo): Promise<Opened> {
    this.run = { ...this.run, resumed: true };
    return await this.restart(memo);
  }

  /** Sends until all of the batch is settled. `before` is called before each try. */
  async deliver(batch: readonly SinkRecord[], before: (tries: number) => void = () => {}): Promise<void> {
    let rest = batch;
    for (let tries = 0; rest.length > 0; tries++) {
      if (tries === MOST_TRIES) throw new Error("The batch was never settled.");
      before(tries);
      rest = this.settle(rest, await this.adapter.send(rest, never));
    }
  }

  /** Reads an answer: what is left to be sent. */
  settle(batch: readonly SinkRecord[], answer: SendResult): readonly SinkRecord[] {
    if (answer.status === "retry") {
      this.#checkText(answer.reason);
      this.setbacks++;
      return batch;
    }
    this.saveMemo();
    if (answer.status === "ok") return [];
    const accepted = answer.status === "partial" ? answer.accepted : 0;
    const rest = answer.status === "partial" ? answer.rest : answer;
    expect(accepted).toBeLessThan(batch.length);
    this.#checkText(rest.reason);
    if (rest.status === "retry") {
      this.setbacks++;
      return batch.slice(accepted);
    }
    const named = new Set(rest.rejected ?? [...batch.keys()].filter((index) => index >= accepted));
    for (const index of named) {
      const record = batch[index];
      expect(record, `a rejected index ${index} of ${batch.length}`).toBeDefined();
      if (record?.kind === "point") this.refused.push(record);
    }
    return [];
  }

  /** Keeps the memo as delivery does after an answer that settles something. */
  saveMemo(): void {
    const memo = this.adapter.takeMemo();
    if (memo !== undefined) this.memo = this.#checked(memo);
    this.notes.push(...this.adapter.takeNotes());
    for (const note of this.notes) this.#checkText(note);
    const fresh = this.notes.slice(this.#notesBefore);
    expect(new Set(fresh).size, "each note is told once").toBe(fresh.length);
  }

  /** Ends the run, again after each setback. */
  async finish(end: SinkEnd, before: (tries: number) => void = () => {}): Promise<void> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      before(tries);
      const answer = await this.adapter.finish(end, never);
      if (answer.status === "ok") {
        this.saveMemo();
        return;
      }
      expect(answer).toMatchObject({ status: "retry" });
    }
    throw new Error("The run was never ended.");
  }

  /** The one run that the tool shows. */
  async shown(): Promise<ShownRun> {
    const shown = await this.#harness.show(this.run.runId);
    expect(shown).toHaveLength(1);
    return shown[0] as ShownRun;
  }

  /** Asserts that the tool shows exactly these points. */
  async expectShown(sent: readonly PointRecord[]): Promise<ShownRun> {
    const shown = await this.shown();
    await expectPoints(this.#harness, this.run.runId, shown, sent, this.adapter.properties);
    return shown;
  }

  #connect(): TrackerAdapter {
    const adapter = this.#harness.connect();
    this.#adapters.push(adapter);
    return adapter;
  }

  /** The memo as the journal gives it back. */
  #checked(memo: AdapterMemo): AdapterMemo {
    const json = JSON.stringify(memo);
    expect(json.length).toBeLessThan(LONGEST_MEMO);
    this.#checkText(json);
    const read = JSON.parse(json) as AdapterMemo;
    expect(read).toEqual(memo);
    return read;
  }

  #checkText(text: string): void {
    for (const secret of this.#harness.secrets?.() ?? []) expect(text).not.toContain(secret);
  }
}
