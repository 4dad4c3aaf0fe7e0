import { type Frame, PipekitError, type Record, RunState, type SeriesSummary } from "@pipekit/proto";
import {
  type AppendResult,
  CURSOR_START,
  type Cursor,
  type CursorRecord,
  type DeadLetterEntry,
  type DeadLetterQuery,
  itemCount,
  type Journal,
  type JournalTotals,
  type MetricSnapshot,
  type NewDeadLetter,
  type NewMetrics,
  type PruneCandidate,
  type PruneQuery,
  type ReadSinkEntry,
  type RunEntry,
  type SeriesChunk,
  type SinkBacklog,
  type SinkEntry,
  type TailQuery,
} from "../../daemon/journal/journal.ts";
import { newSink, reopened } from "../../daemon/journal/sinks.ts";
import { eachPoint, pointCount } from "./points.ts";

const WHOLE_RUN: Cursor = { position: Number.POSITIVE_INFINITY, offset: 0 };

interface StoredFrame {
  readonly position: number;
  readonly runId: string;
  readonly records: readonly Record[];
  /** Unix microseconds. */
  readonly atUs: number;
}

/**
 * A journal in memory. What `saveSink` was given counts as durable; `copy` is what a restart after a kill finds.
 * Each save is checked: `faults` names every cursor that went back or passed a point that is neither sent nor dead.
 */
export class FakeJournal implements Journal {
  frames: StoredFrame[] = [];
  sinkEntries = new Map<string, SinkEntry>();
  letters: DeadLetterEntry[] = [];
  /** When a run was pruned, unix microseconds. */
  readonly pruned = new Map<string, number>();
  #lastLetter = 0;
  readonly faults: string[] = [];
  saves = 0;
  reads = 0;
  /** When set, saveSink rejects with it. */
  saveFault: Error | undefined;
  readonly #listeners = new Set<(runIds: ReadonlySet<string>) => void>();
  readonly #resumeListeners = new Set<(runIds: ReadonlySet<string>) => void>();

  /** The same durable content, in another process. */
  copy(): FakeJournal {
    const other = new FakeJournal();
    other.frames = [...this.frames];
    other.sinkEntries = new Map(this.sinkEntries);
    other.letters = [...this.letters];
    other.#lastLetter = this.#lastLetter;
    for (const [runId, atUs] of this.pruned) other.pruned.set(runId, atUs);
    return other;
  }

  async append(frame: Frame, sinks: readonly string[]): Promise<AppendResult> {
    const { runId, records } = frame;
    const atUs = Date.now() * 1000;
    this.frames.push({ position: this.frames.length * 3 + 7, runId, records, atUs });
    const first = records[0]?.record?.$case;
    if (first === "start") {
      for (const spec of sinks) this.sinkEntries.set(keyOf(runId, spec), newSink(runId, spec));
    }
    if (first === "resume") {
      for (const [key, sink] of this.sinkEntries) {
        if (sink.runId === runId && sink.state === "done") this.sinkEntries.set(key, reopened(sink));
      }
    }
    this.#tell(runId, first === "resume");
    return "appended";
  }

  async lastSeq(): Promise<number> {
    return 0;
  }

  async run(runId: string): Promise<RunEntry> {
    const records = this.#frames(runId).flatMap((frame) => frame.records);
    const start = records[0]?.record;
    if (start?.$case !== "start") throw new PipekitError("RUN_NOT_FOUND", `No run ${runId}.`);
    const last = records.at(-1)?.record;
    const end = last?.$case === "end" ? last.value : undefined;
    const resume = records.findLast(({ record }) => record?.$case === "resume")?.record;
    return {
      runId,
      start: start.value,
      resume: resume?.$case === "resume" ? { ...resume.value, writerId: "" } : undefined,
      state:
        end === undefined ? "running" : end.state === RunState.RUN_STATE_COMPLETED ? "completed" : "failed",
      reason: end?.reason ?? "",
      endedAtUs: end?.endedAtUs ?? 0,
      points: this.#pointsBefore(runId, WHOLE_RUN),
      tags: {},
      params: {},
      artifacts: [],
      lastPosition: this.#frames(runId).at(-1)?.position ?? 0,
      prunedAtUs: this.pruned.get(runId) ?? 0,
    };
  }

  async runs(): Promise<readonly RunEntry[]> {
    const ids = new Set(this.frames.map((frame) => frame.runId));
    return Promise.all([...ids].map((id) => this.run(id)));
  }

  async series(runId: string): Promise<readonly SeriesSummary[]> {
    const counts = new Map<string, number>();
    for (const { record } of this.#frames(runId).flatMap((frame) => frame.records)) {
      if (record?.$case !== "metrics") continue;
      eachPoint(record.value, (key) => counts.set(key, (counts.get(key) ?? 0) + 1));
    }
    const zero = { lastStep: 0, lastValue: 0, minValue: 0, maxValue: 0 };
    return [...counts].toSorted().map(([key, points]) => ({ key, points, ...zero }));
  }

  async *readMetrics(): AsyncIterable<SeriesChunk> {}

  async metricSnapshot(): Promise<MetricSnapshot> {
    return { position: 0, chunks: this.readMetrics() };
  }

  async newMetrics({ after }: TailQuery): Promise<NewMetrics> {
    return { chunks: [], position: after, more: false };
  }

  async readRecords(runId: string, cursor: Cursor, maxPoints: number): Promise<readonly CursorRecord[]> {
    this.reads++;
    if (this.pruned.has(runId)) throw new PipekitError("RUN_PRUNED", `The run ${runId} was pruned.`);
    const found: CursorRecord[] = [];
    let left = maxPoints;
    let offset = cursor.offset;
    for (const { position, records } of this.#frames(runId)) {
      if (position <= cursor.position) continue;
      let itemsBefore = 0;
      for (const [index, record] of records.entries()) {
        const items = itemCount(record);
        const skip = Math.min(items, Math.max(0, offset - itemsBefore));
        if (skip < items || items === 0) {
          if (left <= 0) return found;
          found.push({ record, position, itemsBefore, skip, last: index === records.length - 1 });
          left -= items - skip;
        }
        itemsBefore += items;
      }
      offset = 0;
    }
    return found;
  }

  async openSinks(): Promise<readonly ReadSinkEntry[]> {
    return [...this.sinkEntries.values()]
      .filter((sink) => sink.state !== "done")
      .map((sink) => this.#read(sink));
  }

  async sinks(runId: string): Promise<readonly ReadSinkEntry[]> {
    return [...this.sinkEntries.values()]
      .filter((sink) => sink.runId === runId)
      .map((sink) => this.#read(sink));
  }

  async members(): Promise<never[]> {
    return [];
  }

  async sinksOf(runIds: readonly string[]): Promise<ReadonlyMap<string, readonly ReadSinkEntry[]>> {
    return new Map(await Promise.all(runIds.map(async (id) => [id, await this.sinks(id)] as const)));
  }

  async saveSink(
    sink: SinkEntry,
    deadLetters: readonly NewDeadLetter[],
    settled: readonly number[] = [],
  ): Promise<SinkEntry["state"]> {
    if (this.saveFault !== undefined) throw this.saveFault;
    this.saves++;
    this.letters = this.letters.filter(
      ({ id, runId, spec }) => !(settled.includes(id) && runId === sink.runId && spec === sink.spec),
    );
    for (const letter of deadLetters) this.letters.push({ ...letter, id: ++this.#lastLetter, atUs: 0 });
    this.#check(sink);
    const { state, lastPosition } = await this.run(sink.runId);
    const hasMore = state === "running" || sink.cursor.position < lastPosition;
    const saved = sink.state === "done" && hasMore ? reopened(sink) : sink;
    this.sinkEntries.set(keyOf(sink.runId, sink.spec), saved);
    this.#tell(sink.runId);
    return saved.state;
  }

  async addSinks(runId: string, specs: readonly string[]): Promise<readonly SinkEntry[]> {
    await this.run(runId);
    return [...new Set(specs)].map((spec) => {
      const known = this.sinkEntries.get(keyOf(runId, spec));
      if (known !== undefined) return known;
      if (this.pruned.has(runId)) throw new PipekitError("INVALID_ARGUMENT", `The run ${runId} was pruned.`);
      const added = newSink(runId, spec);
      this.sinkEntries.set(keyOf(runId, spec), added);
      return added;
    });
  }

  async deadLetters({ runId, spec, ids, afterId = 0, limit }: DeadLetterQuery): Promise<DeadLetterEntry[]> {
    const fits = (letter: DeadLetterEntry) =>
      letter.id > afterId &&
      (runId === undefined || letter.runId === runId) &&
      (spec === undefined || letter.spec === spec) &&
      (ids === undefined || ids.includes(letter.id));
    return this.letters.filter(fits).slice(0, limit);
  }

  async prunable({ endedBeforeUs, runIds }: PruneQuery): Promise<readonly PruneCandidate[]> {
    const wanted = (await this.runs()).filter(
      ({ runId, state, endedAtUs, prunedAtUs }) =>
        state !== "running" &&
        prunedAtUs === 0 &&
        endedAtUs < endedBeforeUs &&
        (runIds.length === 0 || runIds.includes(runId)),
    );
    return Promise.all(
      wanted.map(async (run) => ({
        run,
        sinks: await this.sinks(run.runId),
        deadLetters: this.letters.filter((letter) => letter.runId === run.runId).length,
        journalBytes: run.points * 8,
      })),
    );
  }

  async prune(runId: string): Promise<void> {
    const { state } = await this.run(runId);
    const open = (await this.sinks(runId)).some((sink) => sink.state !== "done");
    if (state === "running" || open || this.letters.some((letter) => letter.runId === runId)) {
      throw new PipekitError("INVALID_ARGUMENT", `The run ${runId} cannot be pruned.`);
    }
    this.pruned.set(runId, Date.now() * 1000);
  }

  async contentInUse(): Promise<ReadonlySet<string>> {
    const kept = this.frames.filter(({ runId }) => !this.pruned.has(runId));
    return new Set(
      kept
        .flatMap(({ records }) => records)
        .flatMap(({ record }) => (record?.$case === "artifact" ? record.value.files : []))
        .map(({ sha256 }) => sha256),
    );
  }

  async backlog(): Promise<readonly SinkBacklog[]> {
    return [...this.sinkEntries.values()]
      .filter(({ state }) => state !== "done")
      .map(({ runId, spec, state, pointsSent, pointsDead }) => ({
        scheme: spec.slice(0, spec.indexOf(":")),
        state,
        sinks: 1,
        points: this.#pointsBefore(runId, WHOLE_RUN) - pointsSent - pointsDead,
        pendingSinceUs: 0,
      }));
  }

  async totals(): Promise<JournalTotals> {
    let pending = 0;
    for (const { runId, state, pointsSent, pointsDead } of this.sinkEntries.values()) {
      if (state === "done" || state === "refused") continue;
      pending += this.#pointsBefore(runId, WHOLE_RUN) - pointsSent - pointsDead;
    }
    const deadLetters = this.letters.length;
    return {
      bytes: 0,
      frames: this.frames.length,
      points: 0,
      runs: 0,
      runsRunning: 0,
      pointsPending: pending,
      deadLetters,
    };
  }

  onCommit(listener: (runIds: ReadonlySet<string>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onResume(listener: (runIds: ReadonlySet<string>) => void): () => void {
    this.#resumeListeners.add(listener);
    return () => this.#resumeListeners.delete(listener);
  }

  async close(): Promise<void> {}

  /** The points between two cursors, as a dead letter names them. */
  pointsBetween(runId: string, from: Cursor, to: Cursor): number {
    return this.#pointsBefore(runId, to) - this.#pointsBefore(runId, from);
  }

  #read(sink: SinkEntry): ReadSinkEntry {
    const next = this.#frames(sink.runId).find(({ position }) => position > sink.cursor.position);
    const pruned = this.pruned.has(sink.runId);
    return { ...sink, pendingSinceUs: pruned ? 0 : (next?.atUs ?? 0) };
  }

  #check(sink: SinkEntry): void {
    const { runId, spec, cursor, pointsSent, pointsDead } = sink;
    const before = this.sinkEntries.get(keyOf(runId, spec))?.cursor ?? CURSOR_START;
    const back =
      cursor.position < before.position ||
      (cursor.position === before.position && cursor.offset < before.offset);
    if (back) this.faults.push(`${spec}: the cursor went back`);
    const passed = this.#pointsBefore(runId, cursor);
    if (passed !== pointsSent + pointsDead) {
      this.faults.push(
        `${spec}: the cursor passed ${passed} points, ${pointsSent} sent and ${pointsDead} dead`,
      );
    }
    const lettered = this.letters
      .filter((letter) => letter.runId === runId && letter.spec === spec)
      .reduce((sum, letter) => sum + letter.points, 0);
    if (lettered !== pointsDead) this.faults.push(`${spec}: ${pointsDead} dead, ${lettered} in dead letters`);
  }

  #pointsBefore(runId: string, cursor: Cursor): number {
    let points = 0;
    let offset = cursor.offset;
    for (const { position, records } of this.#frames(runId)) {
      const whole = position <= cursor.position;
      let items = 0;
      for (const { record } of records) {
        const columns = record?.$case === "metrics" ? pointCount(record.value) : 0;
        if (whole) points += columns;
        else if (record?.$case === "metrics") points += Math.min(columns, Math.max(0, offset - items));
        items += record?.$case === "metrics" ? columns : 1;
      }
      if (!whole) offset = 0;
    }
    return points;
  }

  #frames(runId: string): StoredFrame[] {
    return this.frames.filter((frame) => frame.runId === runId);
  }

  #tell(runId: string, resumed = false): void {
    const told = new Set([runId]);
    queueMicrotask(() => {
      if (resumed) for (const listener of this.#resumeListeners) listener(told);
      for (const listener of this.#listeners) listener(told);
    });
  }
}

function keyOf(runId: string, spec: string): string {
  return `${runId} ${spec}`;
}
