import { rowCrc } from "../checksum.ts";
import type { PageFile } from "../raw/pages.ts";
import { type RawRecord, recordsOf, type Value } from "../raw/records.ts";
import { treesOf } from "../raw/tree.ts";
import type { FrameRow } from "../summary.ts";

/** A row of `runs` as it was found. */
export interface FoundRun {
  readonly number: number;
  readonly runId: string;
  readonly name: string;
  readonly start: string;
  readonly startedAtUs: number;
  readonly state: string;
  readonly reason: string;
  readonly endedAtUs: number;
  readonly points: number;
  readonly lastPosition: number;
  readonly prunedAtUs: number;
  readonly seal: number | null;
  /** Empty where the journal is of an older version. */
  readonly resume: string;
  /** Its columns up to `last_position`, then `pruned_at_us`, as the seal is made of them. */
  readonly sealed: readonly Value[];
}

/** The values of a row, without its key. */
export type Row = readonly Value[];

/** What a damaged journal still holds beside its frames. Rows with a checksum are there only when it is right. */
export interface Harvest {
  /** By run number. */
  readonly runs: Map<number, FoundRun>;
  /** Numbers and ids of runs, as the index of ids has them. */
  readonly named: Set<string>;
  /** By run number and spec. */
  readonly sinks: Map<string, Row>;
  /** By writer id. */
  readonly writers: Map<string, Row>;
  /** By id. */
  readonly letters: Map<number, Row>;
  /** Rows of series, tags, params and artifacts, by table; only from pages that the tree leads to. */
  readonly kept: ReadonlyMap<string, Row[]>;
  /** Positions and ids given so far, by table. */
  readonly sequences: Map<string, number>;
  /** Tables and indexes of which pages or rows are damaged. */
  readonly damaged: Set<string>;
}

/** What is told of frames while the pages go by. */
export interface FrameTaker {
  /** A row that looks like a frame; the taker checks it. The position is right only when the checksum is. */
  frame(row: FrameRow): void;
  /** Something tells that there was a frame. */
  expect(position: number, run: number): void;
}

const STATES: readonly Value[] = ["running", "completed", "failed"];
const KEPT = ["series", "tags", "params", "artifacts", "members"];
/** Columns of rows with a checksum, since version 2. */
const SINK_COLUMNS = 10;
const WRITER_COLUMNS = 4;
const LETTER_COLUMNS = 12;

/** Reads all pages. `turn` is called after each with its number; it may throw to stop. */
export async function harvest(
  file: PageFile,
  taker: FrameTaker,
  turn: (page: number) => Promise<void>,
): Promise<Harvest> {
  const { owners, broken } = treesOf(file);
  const found: Harvest = {
    runs: new Map(),
    named: new Set(),
    sinks: new Map(),
    writers: new Map(),
    letters: new Map(),
    kept: new Map(KEPT.map((table) => [table, []])),
    sequences: new Map(),
    damaged: new Set(broken),
  };
  for (const [number, page] of file.all()) {
    const owner = owners.get(number);
    for (const record of recordsOf(file, number, page)) {
      if (record.rowid === undefined) takeIndexed(found, owner, record.values, taker);
      else takeRow(found, owner, record.rowid, record.values, taker);
    }
    await turn(number);
  }
  return found;
}

/** A run as Harvest.named has it. */
export function nameOf(number: number, runId: string): string {
  return `${number} ${runId}`;
}

/** Rows of tables with a rowid, told apart by their columns: a page that no tree leads to has no name. */
function takeRow(
  found: Harvest,
  owner: string | undefined,
  rowid: number,
  values: Row,
  taker: FrameTaker,
): void {
  const frame = frameOf(rowid, values);
  if (frame !== undefined) {
    taker.frame(frame);
    return;
  }
  const run = runOf(rowid, values);
  if (run !== undefined) {
    const known = found.runs.get(run.number);
    if (known === undefined || owner === "runs") found.runs.set(run.number, run);
  } else if (isLetter(values)) {
    if (isChecked(values.slice(1), LETTER_COLUMNS - 1, owner === "dead_letters")) {
      found.letters.set(rowid, values.slice(1, LETTER_COLUMNS - 1));
    } else {
      found.damaged.add("dead_letters");
    }
  } else if (owner === "artifacts") {
    found.kept.get(owner)?.push([rowid, ...values.slice(1)]);
  } else if (owner === "sqlite_sequence") {
    const [table, last] = values;
    if (typeof table === "string" && isCount(last)) found.sequences.set(table, last);
  }
}

function takeIndexed(found: Harvest, owner: string | undefined, values: Row, taker: FrameTaker): void {
  const [first, second, third, fourth] = values;
  if (isSink(values)) {
    if (isChecked(values, SINK_COLUMNS, owner === "sinks")) {
      const key = `${first} ${second}`;
      if (!found.sinks.has(key) || owner === "sinks") found.sinks.set(key, values.slice(0, SINK_COLUMNS - 1));
    } else {
      found.damaged.add("sinks");
    }
  } else if (typeof first === "string" && isCount(second) && isCount(third)) {
    // Behind the checksum stands, since version 4, when the writer was seen.
    if (isChecked(values.slice(0, WRITER_COLUMNS), WRITER_COLUMNS, owner === "writers")) {
      if (!found.writers.has(first) || owner === "writers") found.writers.set(first, values.slice(0, 3));
    } else {
      found.damaged.add("writers");
    }
  } else if (values.length === 2 && typeof first === "string" && isCount(second)) {
    found.named.add(nameOf(second, first));
  } else if (owner !== undefined && KEPT.includes(owner)) {
    found.kept.get(owner)?.push(values);
  } else if (isCount(first) && isCount(second) && second === (fourth ?? third)) {
    // The index of frames by run: of version 2 with the time, of version 1 without.
    taker.expect(second, first);
  }
}

function frameOf(position: number, values: Row): FrameRow | undefined {
  const [key, run, writer_id, seq, points, body, crc = null, at_us = 0] = values;
  if (key !== null || !isCount(run) || !isCount(seq) || !isCount(points) || !isCount(at_us)) return undefined;
  if (typeof writer_id !== "string" || !Buffer.isBuffer(body) || position < 1) return undefined;
  if (values.length !== 6 && values.length !== 8) return undefined;
  if (crc !== null && !isCount(crc)) return undefined;
  return { position, run, writer_id, seq, points, body, crc, at_us };
}

function runOf(number: number, values: Row): FoundRun | undefined {
  const [key, runId, name, start, startedAtUs, state, reason, endedAtUs, points, lastPosition] = values;
  const [, , , , , , , , , , bytes = 0, prunedAtUs = 0, seal = null, resume = ""] = values;
  if (key !== null || typeof runId !== "string" || typeof name !== "string" || typeof start !== "string") {
    return undefined;
  }
  if (!STATES.includes(state ?? null) || typeof reason !== "string" || !isCount(endedAtUs)) return undefined;
  if (typeof startedAtUs !== "number") return undefined;
  if (!isCount(points) || !isCount(lastPosition) || !isCount(bytes) || !isCount(prunedAtUs)) return undefined;
  if ((seal !== null && !isCount(seal)) || typeof resume !== "string") return undefined;
  const sealed = [runId, name, start, startedAtUs, String(state), reason, endedAtUs, points, lastPosition];
  const rest = { state: String(state), reason, endedAtUs, points, lastPosition, prunedAtUs, seal, resume };
  return { number, runId, name, start, startedAtUs, ...rest, sealed: [...sealed, prunedAtUs] };
}

function isLetter(values: Row): boolean {
  const [key, run, spec, kind, points, reason] = values;
  const texts = [spec, kind, reason].every((text) => typeof text === "string");
  const columns = values.length === LETTER_COLUMNS || values.length === LETTER_COLUMNS - 1;
  return columns && key === null && isCount(run) && isCount(points) && texts;
}

function isSink(values: Row): boolean {
  const [run, spec, open, position, offset, sent, dead, state, detail] = values;
  const counts = [run, open, position, offset, sent, dead].every(isCount);
  const texts = [spec, state, detail].every((text) => typeof text === "string");
  return (values.length === SINK_COLUMNS || values.length === SINK_COLUMNS - 1) && counts && texts;
}

/** Whether a row with a checksum in its last column is intact; one of version 1, without, must stand in its table. */
function isChecked(values: Row, columns: number, owned: boolean): boolean {
  if (values.length === columns - 1) return owned;
  return values.length === columns && values.at(-1) === rowCrc(...values.slice(0, -1));
}

function isCount(value: RawRecord["values"][number] | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
