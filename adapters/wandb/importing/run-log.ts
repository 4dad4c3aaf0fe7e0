/** One run as its `.wandb` files tell it, read file by file, in the order of their names. */
import { stat } from "node:fs/promises";
import type { PastEnd, PastRecord, PastRow } from "@pipekit/adapters/history";
import { sourceFault } from "@pipekit/adapters/history";
import { AXIS_KEY, keyOfEvent, metricOf, OWN_CONFIG } from "../keys.ts";
import { logChunks } from "../offline/log-file.ts";
import { type JsonItem, type RunHead, readRecord, type WandbRecord } from "./messages.ts";
import { numberOf, numbersOf, parsed } from "./values.ts";

/** What the client of W&B gives a run that was interrupted. */
const INTERRUPTED = 255;
const TYPE = "._type";

export class RunLog {
  readonly #note: (sentence: string) => void;
  readonly #keys = new Map<string, readonly string[]>();
  readonly #left = new Map<string, number>();
  readonly #config = new Map<string, unknown>();
  readonly #summary = new Map<string, string>();
  /** Keys that the history has, for what of the summary is more than its last values. */
  readonly #logged = new Set<string>();
  #head: RunHead | undefined;
  #rows: PastRow[] = [];
  #samples = 0;
  #artifacts = 0;
  #lastUs = 0;
  #exit: Extract<WandbRecord, { kind: "exit" }> | undefined;

  constructor(note: (sentence: string) => void) {
    this.#note = note;
  }

  /** The points of a file. Throws SourceError. */
  async *read(file: string, signal: AbortSignal): AsyncGenerator<PastRecord> {
    // Of a run in several files, that of the last one counts.
    this.#exit = undefined;
    const { size } = await stat(file).catch((error) => Promise.reject(sourceFault(error, file)));
    const chunks = logChunks(file, (data) => this.#add(data), signal);
    let whole: number | undefined;
    while (whole === undefined) {
      const { done, value } = await chunks.next().catch((error) => Promise.reject(sourceFault(error, file)));
      if (done) whole = value;
      const rows = this.#rows;
      this.#rows = [];
      if (rows.length > 0) yield { kind: "rows", rows };
    }
    if (whole < size)
      this.#note(`${file} is torn or damaged behind byte ${whole}; what follows is left out.`);
  }

  /** What is known when all files were read. */
  *rest(id: string): Generator<PastRecord> {
    const { group, jobType, notes, sweepId, project, entity, labels } = this.#head ?? NO_HEAD;
    // Under the names that a W&B sink of ours gives back to their fields.
    const fields = { group, job_type: jobType, notes };
    const own = { "wandb.project": project, "wandb.entity": entity, "wandb.sweep_id": sweepId };
    const isLogged = within([...this.#logged].sort());
    const tags = [
      ...labels.map(labelTag),
      ...Object.entries({ ...fields, ...own }).filter(([, value]) => value !== ""),
      ...[...this.#summary]
        .filter(([key]) => !key.startsWith("_") && !isLogged(key))
        .map(([key, json]) => [`wandb.summary.${key}`, json] as const),
    ];
    yield { kind: "params", params: Object.fromEntries(this.#config) };
    yield { kind: "tags", tags: Object.fromEntries(tags) };
    for (const [type, count] of this.#left)
      this.#note(`Run ${id}: ${count} values of type ${type} are left out.`);
    if (this.#artifacts > 0)
      this.#note(`Run ${id}: ${this.#artifacts} artifacts of W&B are not in its folder, and are left out.`);
  }

  /** How the run ended; undefined while it goes on. `isSilent`: nobody writes any more. */
  end(startedAtUs: number, isSilent: boolean): PastEnd | undefined {
    if (this.#exit === undefined) {
      return isSilent
        ? { state: "failed", reason: "killed", endedAtUs: this.#lastUs || startedAtUs }
        : undefined;
    }
    const { code, seconds } = this.#exit;
    const endedAtUs = Math.max(this.#lastUs, startedAtUs + seconds * 1e6);
    if (code === 0) return { state: "completed", reason: "", endedAtUs };
    return { state: "failed", reason: code === INTERRUPTED ? "killed" : `exit code ${code}`, endedAtUs };
  }

  #add(data: Uint8Array): void {
    const record = attempt(data);
    switch (record?.kind) {
      case "run":
        this.#head = record.head;
        this.#addConfig(record.config);
        return;
      case "config":
        this.#addConfig(record.items);
        return;
      case "summary":
        for (const { key, json } of record.items) this.#summary.set(key, json);
        return;
      case "history":
        this.#addRow(record.items, record.step);
        return;
      case "stats":
        this.#addStats(record.items, record.timeUs);
        return;
      case "artifact":
        this.#artifacts++;
        return;
      case "exit":
        this.#exit = record;
        return;
      default:
    }
  }

  #addConfig(items: readonly JsonItem[]): void {
    for (const { key, json } of items)
      if (key !== "_wandb" && key !== OWN_CONFIG) this.#config.set(key, parsed(json));
  }

  #addRow(items: readonly JsonItem[], ofRecord: number): void {
    let step = ofRecord;
    let axis: number | undefined;
    const keys: string[] = [];
    const values: number[] = [];
    for (const item of this.#withoutMedia(items)) {
      if (item.key === "_timestamp") this.#lastUs = Math.round((numberOf(item.json) ?? 0) * 1e6);
      else if (item.key === "_step") step = numberOf(item.json) ?? step;
      else if (item.key === AXIS_KEY) axis = numberOf(item.json);
      else if (!item.key.startsWith("_")) {
        this.#logged.add(item.key);
        for (const [key, value] of numbersOf(item, this.#countLeft)) {
          keys.push(metricOf(key));
          values.push(value);
        }
      }
    }
    this.#push(keys, axis ?? step, this.#lastUs, values);
  }

  /** Newer clients write a picture and the like as an item for each of its fields, one of them `_type`. */
  #withoutMedia(items: readonly JsonItem[]): readonly JsonItem[] {
    const types = items.filter(({ key }) => key.endsWith(TYPE));
    for (const { json } of types) this.#countLeft(String(parsed(json)));
    if (types.length === 0) return items;
    const media = new Set(types.map(({ key }) => key.slice(0, 1 - TYPE.length)));
    // Few lengths, however many there are: each item is compared with few of them.
    const lengths = new Set([...media].map((start) => start.length));
    return items.filter(({ key }) => ![...lengths].some((length) => media.has(key.slice(0, length))));
  }

  #addStats(items: readonly JsonItem[], timeUs: number): void {
    const numbers = items.flatMap((item) => [...numbersOf(item, () => {})]);
    this.#push(
      numbers.map(([key]) => keyOfEvent(key)),
      // As in ours, the step of a sample of the machine is its number.
      this.#samples++,
      timeUs,
      numbers.map(([, value]) => value),
    );
  }

  #push(keys: readonly string[], step: number, timeUs: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const name = keys.join("\0");
    const known = this.#keys.get(name) ?? keys;
    this.#keys.set(name, known);
    this.#rows.push({ keys: known, step, timeUs, values });
  }

  readonly #countLeft = (type: string): void => {
    this.#left.set(type, (this.#left.get(type) ?? 0) + 1);
  };
}

const NO_HEAD = { group: "", jobType: "", notes: "", sweepId: "", project: "", entity: "", labels: [] };

/** Tells whether keys that are sorted have a key, or what is in the dict under it. */
function within(sorted: readonly string[]): (key: string) => boolean {
  const firstFrom = (text: string): string | undefined => {
    let [from, to] = [0, sorted.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((sorted[middle] ?? "") < text) from = middle + 1;
      else to = middle;
    }
    return sorted[from];
  };
  return (key) => firstFrom(key) === key || firstFrom(`${key}.`)?.startsWith(`${key}.`) === true;
}

/** Ours are shown as `key=value`; any other label is a tag without a value. */
function labelTag(label: string): readonly [string, string] {
  const at = label.indexOf("=");
  return at > 0 ? [label.slice(0, at), label.slice(at + 1)] : [label, ""];
}

/** A record that cannot be read has a sound checksum: it is of a kind that nobody here knows. */
function attempt(data: Uint8Array): WandbRecord | undefined {
  try {
    return readRecord(data);
  } catch {
    return undefined;
  }
}
