/** Turns records into log-batch requests within MLflow's limits. */

import { clip } from "@pipekit/adapters/http";
import type { SinkRecord } from "@pipekit/adapters/tracker";
import type { Names } from "./names.ts";
import type { Stamps } from "./stamps.ts";
import { cut, storable } from "./text.ts";

/** One metric point, param or tag of a request. */
export interface Item {
  readonly kind: "metrics" | "params" | "tags";
  /** Index of its record in the batch. */
  readonly record: number;
  /** As a person knows it. */
  readonly key: string;
  /** As it stands in the request. */
  readonly json: string;
  /** What it was made of. */
  readonly source: PointSource | TextSource;
}

export interface PointSource {
  readonly mapped: string;
  readonly step: number;
  readonly value: number;
  readonly ms: number;
}

export interface TextSource {
  readonly mapped: string;
  /** Uncut. */
  readonly value: string;
}

/** Most characters of a value, on a server of today and on one before 2.10 or so. */
export const VALUE_LIMITS = {
  params: { now: 6000, before: 500 },
  tags: { now: 8000, before: 5000 },
} as const;

const MOST = { metrics: 1000, params: 100, tags: 100 } as const;
const MOST_ITEMS = 1000;
/** MLflow refuses more than 1 000 000. */
const MOST_BYTES = 900_000;

/** A request being filled. */
export class Request {
  readonly items: Item[] = [];
  readonly #counts = { metrics: 0, params: 0, tags: 0 };
  readonly #texts = new Set<string>();
  #bytes = 100;

  /** Adds an item unless a limit forbids it or it has the key of another param or tag. */
  add(item: Item): boolean {
    const bytes = Buffer.byteLength(item.json) + 1;
    const text = item.kind === "metrics" ? undefined : `${item.kind} ${item.source.mapped}`;
    const full =
      this.items.length >= MOST_ITEMS ||
      this.#counts[item.kind] >= MOST[item.kind] ||
      (this.#bytes + bytes > MOST_BYTES && this.items.length > 0) ||
      (text !== undefined && this.#texts.has(text));
    if (full) return false;
    if (text !== undefined) this.#texts.add(text);
    this.items.push(item);
    this.#counts[item.kind]++;
    this.#bytes += bytes;
    return true;
  }
}

/** Body of a log-batch call. */
export function requestBody(runId: string, items: readonly Item[]): string {
  const part = (kind: Item["kind"]) => {
    const texts = items.filter((item) => item.kind === kind).map((item) => item.json);
    return texts.length === 0 ? "" : `,"${kind}":[${texts.join(",")}]`;
  };
  return `{"run_id":${JSON.stringify(runId)}${part("metrics")}${part("params")}${part("tags")}}`;
}

/** The items of a record that is not a file, in order; tags for renamed keys come first. */
export function* itemsOf(record: SinkRecord, index: number, names: Names, stamps: Stamps): Generator<Item> {
  switch (record.kind) {
    case "point":
      yield* originals(names, record.key, index);
      yield pointItem(record, index, names, stamps);
      return;
    case "params":
      for (const [key, value] of Object.entries(record.params)) {
        yield* originals(names, key, index);
        yield textItem("params", index, key, value, names);
      }
      return;
    case "tags":
      for (const [key, value] of Object.entries(record.tags)) {
        yield* originals(names, key, index);
        yield textItem("tags", index, key, value, names);
      }
      return;
    case "artifact":
      if (record.uri !== "") {
        const key = `pipekit.artifact.${record.name}`;
        yield* originals(names, key, index);
        yield textItem("tags", index, key, record.uri, names);
      }
  }
}

/** The item again with a shorter value, for a server that takes less; undefined when it is short already. */
export function shortened(item: Item): Item | undefined {
  if (item.kind === "metrics" || !("value" in item.source) || typeof item.source.value !== "string")
    return undefined;
  const { mapped, value } = item.source;
  const limit = VALUE_LIMITS[item.kind].before;
  const short = cut(value, limit);
  return short === value ? undefined : { ...item, json: pairJson(JSON.stringify(mapped), short) };
}

function pointItem(
  point: Extract<SinkRecord, { kind: "point" }>,
  record: number,
  names: Names,
  stamps: Stamps,
): Item {
  const { key, step, value } = point;
  const { mapped, json } = names.of(key);
  const ms = stamps.stampMs(key, step, value, point.timeUs);
  return {
    kind: "metrics",
    record,
    key,
    json: `{"key":${json},"value":${numberJson(value)},"timestamp":${ms},"step":${step}}`,
    source: { mapped, step, value, ms },
  };
}

function* originals(names: Names, key: string, record: number): Generator<Item> {
  const tag = names.missingTag(names.of(key));
  if (tag === undefined) return;
  yield {
    kind: "tags",
    record,
    key: tag.key,
    json: pairJson(JSON.stringify(tag.key), tag.value),
    source: { mapped: tag.key, value: tag.value },
  };
}

function textItem(kind: "params" | "tags", record: number, key: string, raw: string, names: Names): Item {
  const { mapped, json } = names.of(key);
  const value = storable(raw);
  const limit = VALUE_LIMITS[kind].now;
  const short = cut(value, limit);
  if (short !== value) {
    const what = kind === "params" ? "param" : "tag";
    names.note(
      `The value of the ${what} \`${clip(key)}\` is cut to the ${limit} characters that MLflow takes.`,
    );
  }
  return { kind, record, key, json: pairJson(json, short), source: { mapped, value } };
}

function pairJson(keyJson: string, value: string): string {
  return `{"key":${keyJson},"value":${JSON.stringify(value)}}`;
}

/** MLflow reads doubles that JSON does not have as strings. */
function numberJson(value: number): string {
  return Number.isFinite(value) ? String(value) : `"${value}"`;
}
