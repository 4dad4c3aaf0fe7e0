import type { Properties, SinkRecord } from "@pipekit/adapters/tracker";
import type { Cursor } from "../journal/journal.ts";

/** How large a batch may be. */
export type BatchLimits = Pick<Properties, "maxPoints" | "maxRecords" | "maxBytes">;

/** What a stretch of sink records is in the journal: points of one record, or one item of another kind. */
export interface Span {
  /** Sink records of the batch that it became. */
  readonly records: number;
  /** Cursor before its first item. */
  readonly from: Cursor;
  /** Cursor after its last item. */
  readonly to: Cursor;
  /** True when each sink record is an item of its own (points); else all of them are one item. */
  readonly divisible: boolean;
}

/** Where a batch has been taken to. */
export interface Place {
  readonly cursor: Cursor;
  /** Sink records of the item after the cursor that are settled already (a start is one item and two records). */
  readonly part: number;
}

/** Consecutive sink records of a run, and where each stands in the journal. It grows until a limit is met. */
export class Batch {
  readonly records: SinkRecord[] = [];
  readonly #spans: Span[] = [];
  #start: Place;
  #end: Cursor;
  #points = 0;
  #bytes = 0;
  #closed = false;

  constructor(start: Place) {
    this.#start = start;
    this.#end = start.cursor;
  }

  /** Cursor after everything in the batch, items without sink records included. */
  get end(): Cursor {
    return this.#end;
  }

  /** True when it holds nothing and moves no cursor. */
  get isBlank(): boolean {
    return this.#spans.length === 0 && this.#end === this.#start.cursor;
  }

  /** Sink records to leave out of the next item, because they are settled already. */
  get partToSkip(): number {
    return this.#spans.length === 0 ? this.#start.part : 0;
  }

  /** Bytes of the files of its artifacts. */
  get fileBytes(): number {
    let sum = 0;
    for (const record of this.records) {
      if (record.kind === "artifact") for (const file of record.files) sum += file.size;
    }
    return sum;
  }

  isFull(limits: BatchLimits): boolean {
    return (
      this.#closed ||
      this.#points >= limits.maxPoints ||
      this.records.length >= limits.maxRecords ||
      this.#bytes >= limits.maxBytes
    );
  }

  /** Most points that fit still. */
  roomForPoints(limits: BatchLimits): { points: number; bytes: number } {
    const points = Math.min(limits.maxPoints - this.#points, limits.maxRecords - this.records.length);
    return { points, bytes: limits.maxBytes - this.#bytes };
  }

  /** Whether an item of `records` sink records and `bytes` fits. Something always fits into an empty batch. */
  fits(limits: BatchLimits, records: number, bytes: number): boolean {
    if (this.records.length === 0) return true;
    return this.records.length + records <= limits.maxRecords && this.#bytes + bytes <= limits.maxBytes;
  }

  /** Adds the points that the caller has pushed to `records`. */
  addPoints(count: number, bytes: number, from: Cursor, to: Cursor): void {
    this.#points += count;
    this.#add({ records: count, from, to, divisible: true }, bytes);
  }

  /** Lets it grow no more. */
  close(): void {
    this.#closed = true;
  }

  /** Adds one item that became `records`. */
  addItem(records: readonly SinkRecord[], bytes: number, from: Cursor, to: Cursor): void {
    this.records.push(...records);
    this.#add({ records: records.length, from, to, divisible: false }, bytes);
  }

  /** Moves the end over what has no items. */
  pass(to: Cursor): void {
    this.#end = to;
  }

  /** Where delivery stands when the first `taken` sink records are settled. */
  placeAfter(taken: number): Place {
    if (taken === this.records.length) return { cursor: this.#end, part: 0 };
    let left = taken;
    let place = this.#start;
    for (const span of this.#spans) {
      if (left < span.records) {
        if (span.divisible) return { cursor: forward(span.from, left), part: 0 };
        return { cursor: span.from, part: place.part + left };
      }
      left -= span.records;
      place = { cursor: span.to, part: 0 };
    }
    return place;
  }

  /** Cursors before and after the item that a sink record belongs to. */
  itemOf(index: number): { from: Cursor; to: Cursor } {
    let first = 0;
    for (const span of this.#spans) {
      const within = index - first;
      if (within < span.records) {
        if (!span.divisible) return span;
        const lastOfSpan = within === span.records - 1;
        return {
          from: forward(span.from, within),
          to: lastOfSpan ? span.to : forward(span.from, within + 1),
        };
      }
      first += span.records;
    }
    throw new RangeError(`No record ${index} in a batch of ${this.records.length}.`);
  }

  #add(span: Span, bytes: number): void {
    this.#spans.push(span);
    this.#end = span.to;
    this.#bytes += bytes;
  }
}

function forward(cursor: Cursor, items: number): Cursor {
  return { position: cursor.position, offset: cursor.offset + items };
}
