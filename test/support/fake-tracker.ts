import type {
  AdapterMemo,
  OpenResult,
  PermanentResult,
  Properties,
  RetryResult,
  SendResult,
  SinkCount,
  SinkEnd,
  SinkRecord,
  SinkRun,
  TrackerAdapter,
  TrackerKind,
} from "@pipekit/adapters/tracker";
import { SpecError } from "@pipekit/adapters/tracker";

/** A call that the fake tool received. */
export interface FakeCall {
  readonly name: "open" | "send" | "finish" | "count";
  readonly spec: string;
  readonly runId: string;
  readonly batch: readonly SinkRecord[];
}

/**
 * How the tool answers a call: `hang` until aborted and then ask for a retry, `deaf` not even then, `throw`, or a
 * result (`retry` with or without afterMs, `permanent` whole or by indices, `partial`).
 */
export type FakeAnswer = "ok" | "hang" | "deaf" | "throw" | RetryResult | PermanentResult | Partial;
type Partial = Extract<SendResult, { status: "partial" }>;

/** What the tool holds of one run. */
export interface FakeRun {
  readonly records: SinkRecord[];
  end: SinkEnd | undefined;
}

export const FAKE_PROPERTIES: Properties = {
  maxPoints: 100,
  maxRecords: 100,
  maxBytes: 1_000_000,
  requestsPerSecond: Number.POSITIVE_INFINITY,
  monotonicSteps: false,
  nonFinite: "kept",
  idempotentReplay: false,
  keepsEqualSteps: true,
};

/** A tool that follows a script. Its specs are `fake:<endpoint>/<name>`. */
export class FakeTracker {
  readonly calls: FakeCall[] = [];
  readonly runs = new Map<string, FakeRun>();
  readonly opened: { run: SinkRun; memo: unknown }[] = [];
  readonly notes: string[] = [];
  /** Memos to be taken, one after each call. */
  readonly memos: AdapterMemo[] = [];
  properties: Properties = FAKE_PROPERTIES;
  /** The script: called once for each call. */
  answer: (call: FakeCall) => FakeAnswer | Promise<FakeAnswer> = () => "ok";
  /** What the tool counts; by default what it holds. */
  counts: (run: FakeRun, keys: readonly string[]) => SinkCount | undefined = countPoints;
  /** Awaited when an adapter is closed. */
  closing: () => Promise<void> = async () => {};
  running = 0;
  mostRunning = 0;
  openAdapters = 0;

  readonly kind: TrackerKind = {
    schemes: ["fake", "fake+x"],
    parse: (spec) => {
      const rest = spec.slice(spec.indexOf(":") + 1);
      if (rest === "") throw new SpecError("The spec names no endpoint.", "Write fake:host/name.");
      return `fake:${rest.toLowerCase()}`;
    },
    throttleKey: (spec) => spec.split("/")[0] ?? "",
    connect: (spec) => {
      this.openAdapters++;
      return new FakeAdapter(this, spec);
    },
  };

  /** What the tool holds of a run at a spec. */
  run(runId: string, spec: string): FakeRun {
    const key = `${runId} ${spec}`;
    const run = this.runs.get(key) ?? { records: [], end: undefined };
    this.runs.set(key, run);
    return run;
  }

  /** Values of the points that the tool holds of a run, in the order of arrival. */
  values(runId: string, spec: string): number[] {
    return this.run(runId, spec).records.flatMap((record) => (record.kind === "point" ? [record.value] : []));
  }
}

class FakeAdapter implements TrackerAdapter {
  readonly #tracker: FakeTracker;
  readonly #spec: string;
  #runId = "";
  #inCall = false;
  #closed = false;

  constructor(tracker: FakeTracker, spec: string) {
    this.#tracker = tracker;
    this.#spec = spec;
  }

  get properties(): Properties {
    return this.#tracker.properties;
  }

  async open(run: SinkRun, memo: unknown, signal: AbortSignal): Promise<OpenResult> {
    this.#runId = run.runId;
    this.#tracker.opened.push({ run, memo });
    const answer = await this.#call("open", [], signal);
    if (answer.status === "partial") throw new Error("An open cannot be partial.");
    if (answer.status !== "ok") return answer;
    if (run.resumed) this.#tracker.run(run.runId, this.#spec).end = undefined;
    const remoteId = `tool-${run.runId}`;
    return { status: "ok", remoteId, remoteUrl: `http://tool/${remoteId}`, memo: { remoteId } };
  }

  async send(batch: readonly SinkRecord[], signal: AbortSignal): Promise<SendResult> {
    const answer = await this.#call("send", batch, signal);
    const { records } = this.#tracker.run(this.#runId, this.#spec);
    records.push(...takenOf(batch, answer));
    return answer;
  }

  async finish(end: SinkEnd, signal: AbortSignal): Promise<SendResult> {
    const answer = await this.#call("finish", [], signal);
    if (answer.status === "ok") this.#tracker.run(this.#runId, this.#spec).end = end;
    return answer;
  }

  async count(keys: readonly string[], signal: AbortSignal): Promise<SinkCount | undefined> {
    const answer = await this.#call("count", [], signal);
    if (answer.status !== "ok") return undefined;
    return this.#tracker.counts(this.#tracker.run(this.#runId, this.#spec), keys);
  }

  takeMemo(): AdapterMemo | undefined {
    return this.#tracker.memos.shift();
  }

  takeNotes(): readonly string[] {
    return this.#tracker.notes.splice(0);
  }

  async close(): Promise<void> {
    if (this.#closed) throw new Error("An adapter was closed twice.");
    this.#closed = true;
    await this.#tracker.closing();
    this.#tracker.openAdapters--;
  }

  async #call(
    name: FakeCall["name"],
    batch: readonly SinkRecord[],
    signal: AbortSignal,
  ): Promise<SendResult> {
    if (this.#inCall) throw new Error("Calls of one adapter overlap.");
    if (this.#closed) throw new Error("A closed adapter was called.");
    this.#inCall = true;
    const tracker = this.#tracker;
    tracker.mostRunning = Math.max(tracker.mostRunning, ++tracker.running);
    try {
      const call: FakeCall = { name, spec: this.#spec, runId: this.#runId, batch: [...batch] };
      tracker.calls.push(call);
      const answer = await tracker.answer(call);
      if (answer === "throw") throw new TypeError("this adapter has a defect");
      if (answer === "deaf") await new Promise(() => {});
      if (answer === "hang") {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return { status: "retry", reason: "The call was aborted." };
      }
      return typeof answer === "string" ? { status: "ok" } : answer;
    } finally {
      this.#inCall = false;
      tracker.running--;
    }
  }
}

function takenOf(batch: readonly SinkRecord[], answer: SendResult): readonly SinkRecord[] {
  if (answer.status === "ok") return batch;
  if (answer.status === "retry") return [];
  const accepted = answer.status === "partial" ? answer.accepted : 0;
  const refusal = answer.status === "partial" ? answer.rest : answer;
  const rest =
    refusal.status === "permanent" && refusal.rejected !== undefined
      ? batch.filter((_, index) => index >= accepted && !refusal.rejected?.includes(index))
      : [];
  return [...batch.slice(0, accepted), ...rest];
}

function countPoints(run: FakeRun, keys: readonly string[]): SinkCount {
  const byKey = Object.fromEntries(
    keys.map((key) => [
      key,
      run.records.filter((record) => record.kind === "point" && record.key === key).length,
    ]),
  );
  return { points: Object.values(byKey).reduce((sum, count) => sum + count, 0), byKey };
}
