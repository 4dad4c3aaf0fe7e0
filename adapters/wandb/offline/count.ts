/** What is in a `.wandb` file, as a reader finds it. */
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { isMissing } from "../../file-faults.ts";
import { readLog } from "./log-file.ts";

/** Field numbers of Record, HistoryRecord, StatsRecord, and of the key of HistoryItem and StatsItem. */
const HISTORY = 2;
const HISTORY_ITEM = 1;
const HISTORY_STEP = 2;
const STATS = 7;
const STATS_ITEM = 3;
const KEY = 1;
/** `nested_key` of HistoryItem, where W&B's own client has it; ours had it there once. */
const NESTED_KEY = 2;

/** What is in a file. One that is gone has nothing. */
export interface Cells {
  /** Cells of the history and of the machine's stats, by W&B's key. */
  readonly history: ReadonlyMap<string, number>;
  readonly events: ReadonlyMap<string, number>;
  /** Bytes up to the end of the last whole record. */
  readonly bytes: number;
  readonly records: number;
  /** Lines of the history, and the largest `_step` of them; -1 without one. */
  readonly lines: number;
  readonly lastStep: number;
}

/** Reads a file. Throws faults of the file system and the reason of an abort. */
export async function countCells(path: string, signal: AbortSignal): Promise<Cells> {
  const history = new Map<string, number>();
  const events = new Map<string, number>();
  const seen = { records: 0, lines: 0, lastStep: -1 };
  const count = (record: Uint8Array) => {
    seen.records++;
    const reader = new BinaryReader(record);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === STATS && type === 2) eachKey(reader, STATS_ITEM, events);
      else if (field === HISTORY && type === 2) {
        seen.lines++;
        const step = eachKey(reader, HISTORY_ITEM, history);
        seen.lastStep = Math.max(seen.lastStep, step);
      } else reader.skip(type, field);
    }
  };
  let bytes = 0;
  try {
    bytes = await readLog(path, count, signal);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return { history, events, bytes, ...seen };
}

/** Counts the keys of the items of the message that follows; returns its step, if it has one. */
function eachKey(reader: BinaryReader, itemField: number, into: Map<string, number>): number {
  const end = reader.uint32() + reader.pos;
  let step = 0;
  while (reader.pos < end) {
    const [field, type] = reader.tag();
    if (type === 2 && field === itemField) {
      const itemEnd = reader.uint32() + reader.pos;
      while (reader.pos < itemEnd) {
        const [inner, innerType] = reader.tag();
        if ((inner === KEY || inner === NESTED_KEY) && innerType === 2) {
          const key = reader.string();
          into.set(key, (into.get(key) ?? 0) + 1);
        } else reader.skip(innerType, inner);
      }
    } else if (type === 2 && field === HISTORY_STEP && itemField === HISTORY_ITEM) {
      const inner = new BinaryReader(reader.bytes());
      if (inner.pos < inner.len) {
        inner.tag();
        step = Number(inner.int64());
      }
    } else reader.skip(type, field);
  }
  return step;
}
