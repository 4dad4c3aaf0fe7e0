import type { MetricColumns, RunEnd } from "@pipekit/proto";
import { type Cursor, type CursorRecord, itemCount, type Journal } from "../journal/journal.ts";
import { Batch, type BatchLimits, type Place } from "./batch.ts";
import { PointWalker } from "./points.ts";
import { type ContentPaths, encodedBytes, toSinkRecords } from "./translate.ts";
import type { Turns } from "./turns.ts";

/** Points asked of the journal before the adapter's limits are known. */
const FIRST_READ_POINTS = 1000;

/** The end of a run, and the cursor behind it. */
export interface SourceEnd {
  readonly end: RunEnd;
  readonly to: Cursor;
}

/**
 * Reads a run from the journal and makes batches of it. Holds at most the batch that is being made and the raw
 * records of about one more; `rewind` drops both.
 */
export class Source {
  readonly #journal: Journal;
  readonly #runId: string;
  readonly #content: ContentPaths;
  readonly #reads: Turns;
  #batch: Batch;
  /** Raw records not yet in a batch, the first of them perhaps half walked. */
  #raw: CursorRecord[] = [];
  #walker: { readonly points: PointWalker; taken: number } | undefined;
  /** Position before the frame of the first raw record. */
  #base: number;
  /** Where the next journal read begins. */
  #readFrom: Cursor;
  #end: SourceEnd | undefined;
  /** True when something is known to lie behind the place of the last rewind: it need not be read to be seen. */
  #hasMore = false;
  /** The reads and fills so far: they never overlap. */
  #busy: Promise<unknown> = Promise.resolve();
  /** Counts rewinds: a read begun before one is thrown away. */
  #age = 0;

  constructor(journal: Journal, runId: string, content: ContentPaths, reads: Turns, cursor: Cursor) {
    this.#journal = journal;
    this.#runId = runId;
    this.#content = content;
    this.#reads = reads;
    this.#batch = new Batch({ cursor, part: 0 });
    this.#base = cursor.position;
    this.#readFrom = cursor;
  }

  /** The next end, once everything before it is in batches. Nothing behind it is read: the run may have been resumed. */
  get end(): SourceEnd | undefined {
    return this.#end;
  }

  /** True when a batch with sink records is being made. */
  get hasRecords(): boolean {
    return this.#batch.records.length > 0;
  }

  /** True when there is nothing to hand out but perhaps an end. */
  get isBlank(): boolean {
    return this.#batch.isBlank;
  }

  /** Forgets what was read and goes on from `place`. */
  rewind(place: Place): void {
    this.#age++;
    this.#hasMore ||= !this.#isEmpty || (this.#end !== undefined && place.cursor !== this.#end.to);
    this.#batch = new Batch(place);
    this.#raw = [];
    this.#walker = undefined;
    this.#base = place.cursor.position;
    this.#readFrom = place.cursor;
    this.#end = undefined;
  }

  /** Looks whether there is anything after what was handed out, reading raw records when none are held. */
  load(): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.#hasMore) return true;
      if (this.#end === undefined && this.#isEmpty) await this.#read(FIRST_READ_POINTS);
      return this.#end !== undefined || !this.#isEmpty;
    });
  }

  /** Makes the batch as large as the journal and `limits` allow; true when it will not grow any more. */
  fill(limits: BatchLimits): Promise<boolean> {
    return this.#inTurn(async () => {
      const age = this.#age;
      this.#hasMore = false;
      while (this.#age === age && this.#end === undefined && !this.#batch.isFull(limits)) {
        if (this.#raw.length === 0) await this.#read(limits.maxPoints);
        if (this.#age !== age || this.#raw.length === 0) break;
        this.#addNext(limits);
      }
      return this.#end !== undefined || this.#batch.isFull(limits);
    });
  }

  /** Fills the next batch in the background; a failed read shows at the next `fill`. */
  prefetch(limits: BatchLimits): void {
    this.fill(limits).catch(() => undefined);
  }

  /** Hands out the batch and begins the next. */
  take(): Batch {
    const batch = this.#batch;
    this.#batch = new Batch({ cursor: batch.end, part: 0 });
    return batch;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#busy.then(work);
    this.#busy = result.catch(() => undefined);
    return result;
  }

  get #isEmpty(): boolean {
    return this.#batch.isBlank && this.#raw.length === 0;
  }

  /** Puts the next raw record, or as much of it as fits, into the batch, or closes the batch. */
  #addNext(limits: BatchLimits): void {
    const next = this.#raw[0];
    if (next === undefined) return;
    const fact = next.record.record;
    if (fact?.$case === "metrics") {
      this.#addPoints(next, fact.value, limits);
      return;
    }
    const from: Cursor = { position: this.#base, offset: next.itemsBefore };
    const to = this.#after(next, next.itemsBefore + 1);
    if (fact?.$case === "end") {
      this.#end = { end: fact.value, to };
      this.#shift(next);
      return;
    }
    const records = toSinkRecords(next.record, this.#content).slice(this.#batch.partToSkip);
    const bytes = encodedBytes(records);
    // An artifact travels alone: its upload may be long, and is tried again without what else was there.
    const alone = fact?.$case === "artifact";
    if ((alone && this.hasRecords) || !this.#batch.fits(limits, records.length, bytes)) {
      this.#batch.close();
      return;
    }
    this.#batch.addItem(records, bytes, from, to);
    if (alone) this.#batch.close();
    this.#shift(next);
  }

  #addPoints(next: CursorRecord, columns: MetricColumns, limits: BatchLimits): void {
    this.#walker ??= { points: new PointWalker(columns, next.skip), taken: next.skip };
    const walker = this.#walker;
    const { records } = this.#batch;
    const before = records.length;
    const room = this.#batch.roomForPoints(limits);
    const bytes = walker.points.take(records, before + room.points, room.bytes);
    const count = records.length - before;
    const first = next.itemsBefore + walker.taken;
    walker.taken += count;
    const { done } = walker.points;
    const from: Cursor = { position: this.#base, offset: first };
    const to = done ? this.#after(next, first + count) : { position: this.#base, offset: first + count };
    if (count > 0) this.#batch.addPoints(count, bytes, from, to);
    else if (done) this.#batch.pass(to);
    if (done) this.#shift(next);
    else this.#batch.close();
  }

  /** Cursor when `items` items of the frame of `record` are taken and `record` with them. */
  #after(record: CursorRecord, items: number): Cursor {
    if (record.last) return { position: record.position, offset: 0 };
    return { position: this.#base, offset: items };
  }

  #shift(record: CursorRecord): void {
    this.#raw.shift();
    this.#walker = undefined;
    if (record.last) this.#base = record.position;
  }

  async #read(points: number): Promise<void> {
    const age = this.#age;
    const from = this.#readFrom;
    const records = await this.#reads.run(() => this.#journal.readRecords(this.#runId, from, points));
    const last = records.at(-1);
    if (age !== this.#age || last === undefined) return;
    this.#raw.push(...records);
    if (last.last) this.#readFrom = { position: last.position, offset: 0 };
    else
      this.#readFrom = {
        position: records.findLast((record) => record.last)?.position ?? from.position,
        offset: last.itemsBefore + itemCount(last.record),
      };
  }
}
