import {
  checkMetricKey,
  type Frame,
  MAX_FRAME_BYTES,
  type MetricRow,
  PipekitError,
  packRows,
  type Record as RunRecord,
} from "@pipekit/proto";

/** Points that are worth a frame of their own. */
const FRAME_POINTS = 4096;
const FRAME_BYTES = (MAX_FRAME_BYTES * 3) / 4;
const ROW_KEYS = 1024;

/** A record that is a frame of its own, because somebody waits for what becomes of it. */
export interface Awaited {
  readonly record: RunRecord;
  readonly settle: (rejection: PipekitError | undefined) => void;
}

type Item =
  | { readonly kind: "row"; readonly row: MetricRow }
  | { readonly kind: "record"; readonly record: RunRecord; readonly bytes: number }
  | { readonly kind: "awaited"; readonly awaited: Awaited };

/** A frame without its numbers, and what was in it. */
export interface PackedFrame {
  readonly records: Frame["records"];
  readonly points: number;
  readonly awaited: Awaited | undefined;
}

/** What was logged and is not in a frame yet, in order. Holds at most `maxPoints` points: the oldest go first. */
export class LogBuffer {
  readonly #maxPoints: number;
  readonly #keySets = new Map<string, readonly string[]>();
  readonly #keyBytes = new WeakMap<readonly string[], number>();
  #lastKeys: readonly string[] = [];
  #items: Item[] = [];
  #head = 0;
  #points = 0;
  #added = 0;

  constructor(maxPoints: number) {
    this.#maxPoints = maxPoints;
  }

  get empty(): boolean {
    return this.#head === this.#items.length;
  }

  /** Points held. */
  get points(): number {
    return this.#points;
  }

  /** Items ever added. */
  get added(): number {
    return this.#added;
  }

  /** Items that are here no more: taken into a frame, or dropped. */
  get taken(): number {
    return this.#added - (this.#items.length - this.#head);
  }

  /**
   * Adds one log() call; returns the number of old points that had to go.
   * Throws PipekitError INVALID_METRIC that names the key at fault.
   */
  addMetrics(metrics: Readonly<{ [key: string]: number }>, step: number, timeUs: number): number {
    if (!Number.isSafeInteger(step)) {
      throw invalid("step", `The step ${String(step)} is not an integer within +-(2^53 - 1).`);
    }
    const keys = this.#keysOf(metrics);
    const values = keys.map((key) => {
      const value: unknown = metrics[key];
      if (typeof value === "number") return value;
      throw invalid(key, `The value of the metric ${key.slice(0, 80)} is a ${kindOf(value)}, not a number.`);
    });
    if (keys.length <= ROW_KEYS) {
      if (keys.length > 0) this.#push({ kind: "row", row: { keys, step, timeUs, values } });
    } else {
      for (let i = 0; i < keys.length; i += ROW_KEYS) {
        const row = {
          keys: keys.slice(i, i + ROW_KEYS),
          step,
          timeUs,
          values: values.slice(i, i + ROW_KEYS),
        };
        this.#push({ kind: "row", row });
      }
    }
    this.#points += keys.length;
    return this.#points > this.#maxPoints ? this.#shed() : 0;
  }

  /** Adds a record of another kind, of about `bytes` bytes. */
  addRecord(record: RunRecord, bytes: number): void {
    if (bytes > FRAME_BYTES) {
      throw new PipekitError(
        "INVALID_ARGUMENT",
        `A record of ${bytes} bytes is over the ${FRAME_BYTES} allowed.`,
        {
          mend: "Log it as an artifact, or in smaller parts.",
        },
      );
    }
    this.#push({ kind: "record", record, bytes });
  }

  addAwaited(awaited: Awaited): void {
    this.#push({ kind: "awaited", awaited });
  }

  /** Takes the next frame's worth; undefined when there is nothing. */
  take(): PackedFrame | undefined {
    if (this.empty) return undefined;
    const records: RunRecord[] = [];
    let rows: MetricRow[] = [];
    const keySets = new Set<readonly string[]>();
    let awaited: Awaited | undefined;
    let points = 0;
    let bytes = 0;
    const closeRows = () => {
      if (rows.length > 0) records.push({ record: { $case: "metrics", value: packRows(rows) } });
      rows = [];
      keySets.clear();
    };
    while (this.#head < this.#items.length && awaited === undefined) {
      const item = this.#items[this.#head] as Item;
      const first = records.length === 0 && rows.length === 0;
      const size =
        item.kind === "row" ? this.#rowBytes(item.row, keySets) : item.kind === "record" ? item.bytes : 0;
      const full = points >= FRAME_POINTS || bytes + size > FRAME_BYTES || item.kind === "awaited";
      if (full && !first) break;
      bytes += size;
      if (item.kind === "row") {
        rows.push(item.row);
        keySets.add(item.row.keys);
        points += item.row.values.length;
      } else {
        closeRows();
        if (item.kind === "awaited") awaited = item.awaited;
        records.push(item.kind === "awaited" ? item.awaited.record : item.record);
      }
      this.#head += 1;
    }
    closeRows();
    this.#points -= points;
    this.#compact();
    return { records, points, awaited };
  }

  #push(item: Item): void {
    this.#items.push(item);
    this.#added += 1;
  }

  /** Drops the oldest tenth of the points at once, so that dropping costs next to nothing a call. */
  #shed(): number {
    const excess = this.#points - Math.floor(this.#maxPoints * 0.9);
    let dropped = 0;
    this.#items = this.#items.slice(this.#head).filter((item) => {
      if (item.kind !== "row" || dropped >= excess) return true;
      dropped += item.row.values.length;
      return false;
    });
    this.#head = 0;
    this.#points -= dropped;
    return dropped;
  }

  #compact(): void {
    if (this.empty) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head > 10_000 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Encoded size of a row; its keys count once for all rows that share them. */
  #rowBytes(row: MetricRow, seen: ReadonlySet<readonly string[]>): number {
    const fixed = row.values.length * 8 + 20;
    if (seen.has(row.keys)) return fixed;
    let bytes = this.#keyBytes.get(row.keys);
    if (bytes === undefined) {
      bytes = row.keys.reduce((sum, key) => sum + Buffer.byteLength(key) + 4, 8);
      this.#keyBytes.set(row.keys, bytes);
    }
    return fixed + bytes;
  }

  /** The keys of a call, checked; calls with the same keys share one array, so that they share a key set. */
  #keysOf(metrics: Readonly<{ [key: string]: number }>): readonly string[] {
    const keys = Object.keys(metrics);
    const last = this.#lastKeys;
    if (keys.length === last.length && keys.every((key, i) => key === last[i])) return last;
    const id = keys.join("\0");
    let shared = this.#keySets.get(id);
    if (shared === undefined) {
      for (const key of keys) checkMetricKey(key, key.slice(0, 80));
      // Keys made up anew at each call must not fill the memory.
      if (this.#keySets.size > 1000) this.#keySets.clear();
      this.#keySets.set(id, keys);
      shared = keys;
    }
    this.#lastKeys = shared;
    return shared;
  }
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "list" : typeof value;
}

function invalid(field: string, message: string): PipekitError {
  return new PipekitError("INVALID_METRIC", message, { field, mend: "Mend the metric at its log() call." });
}
