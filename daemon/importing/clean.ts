/** Makes what another tool keeps acceptable to the journal. */
import { createHash } from "node:crypto";
import type { PastRow } from "@pipekit/adapters/history";
import { checkMetricKey, PipekitError } from "@pipekit/proto";

const LONGEST_KEY = 1000;
const LONGEST_NAME = 512;

/** The key under which a metric stands here: its own, or one that is made of it and of its digest. */
export function metricKey(key: string): string {
  try {
    checkMetricKey(key);
    // A half of a surrogate pair is no UTF-8.
    if (key.isWellFormed()) return key;
  } catch (error) {
    if (!(error instanceof PipekitError)) throw error;
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced
  const plain = key.toWellFormed().replaceAll(/[\u0000-\u001f\u007f]/g, "_");
  const digest = createHash("sha256").update(key, "utf16le").digest("hex").slice(0, 12);
  let cut = plain;
  while (Buffer.byteLength(cut) > LONGEST_KEY)
    cut = cut.slice(0, Math.floor(cut.length * 0.9)).toWellFormed();
  return `${cut}~${digest}`;
}

/** Rows with keys, steps and times that the journal takes. */
export class RowCleaner {
  readonly #note: (sentence: string) => void;
  /** The keys of a key set; undefined when one of them stands twice in it. */
  readonly #sets = new WeakMap<readonly string[], readonly string[] | undefined>();
  readonly #keys = new Map<string, string>();
  /** Rows left out, for a step or time that is no whole number of less than 2^53. */
  lost = 0;

  constructor(note: (sentence: string) => void) {
    this.#note = note;
  }

  /** The row as it can be kept: none, one, or one for each value when a key stands twice. */
  clean(row: PastRow): readonly PastRow[] {
    const timeUs = Math.round(row.timeUs);
    if (!Number.isSafeInteger(row.step) || !Number.isSafeInteger(timeUs)) {
      this.lost++;
      return [];
    }
    if (!this.#sets.has(row.keys)) this.#sets.set(row.keys, this.#cleanSet(row.keys));
    const keys = this.#sets.get(row.keys);
    if (keys !== undefined) return [{ keys, step: row.step, timeUs, values: row.values }];
    return row.values.map((value, i) => ({
      keys: [this.#cleanKey(row.keys[i] ?? "")],
      step: row.step,
      timeUs,
      values: [value],
    }));
  }

  #cleanSet(keys: readonly string[]): readonly string[] | undefined {
    const clean = keys.map((key) => this.#cleanKey(key));
    return new Set(clean).size === clean.length ? clean : undefined;
  }

  #cleanKey(key: string): string {
    const known = this.#keys.get(key);
    if (known !== undefined) return known;
    const clean = metricKey(key);
    if (clean !== key)
      this.#note(`The metric ${JSON.stringify(key.slice(0, 80))} is called \`${clean.slice(0, 120)}\` here.`);
    this.#keys.set(key, clean);
    return clean;
  }
}

/** A value as JSON has it: numbers that JSON does not have become texts. */
export function jsonValue(value: unknown): unknown {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
      return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    case "string":
      return value.toWellFormed();
    case "object":
      if (value === null) return null;
      if (Array.isArray(value)) return value.map(jsonValue);
      return Object.fromEntries(
        Object.entries(value).map(([key, inner]) => [key.toWellFormed(), jsonValue(inner)]),
      );
    case "boolean":
      return value;
    default:
      return null;
  }
}

/** The name of an artifact: a plain relative path. Undefined where none can be made of it. */
export function artifactName(name: string): string | undefined {
  const plain = name.replaceAll(/[\\\0]/g, "_");
  const parts = plain.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.length === 0 || parts.includes("..")) return undefined;
  const path = parts.join("/");
  return path.length <= LONGEST_NAME ? path : undefined;
}
