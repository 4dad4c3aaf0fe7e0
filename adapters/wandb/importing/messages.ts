/**
 * What is read of W&B's `Record` messages, by field number: Record{history 2, summary 3, config 5, stats 7, artifact 8, run 17,
 * exit 18}; the items of history, summary and config{key 1, nested_key 2, value_json 16; of the history also, in newer clients,
 * none 3, boolean 4, integer 5 (sint64), number 6, text 7, json 8}; see also ../offline/records.ts.
 */
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { fieldsOf } from "../../message-fields.ts";

/** A value as JSON text; JavaScript's names for the numbers that JSON does not have. */
export interface JsonItem {
  readonly key: string;
  readonly json: string;
}

/** Where a run goes and what it is called. */
export interface RunHead {
  readonly runId: string;
  readonly entity: string;
  readonly project: string;
  readonly name: string;
  readonly group: string;
  readonly jobType: string;
  readonly notes: string;
  readonly sweepId: string;
  readonly host: string;
  readonly labels: readonly string[];
  /** Unix microseconds; 0 when it does not say. */
  readonly startedAtUs: number;
}

export type WandbRecord =
  | { readonly kind: "run"; readonly head: RunHead; readonly config: readonly JsonItem[] }
  | { readonly kind: "history"; readonly step: number; readonly items: readonly JsonItem[] }
  | { readonly kind: "stats"; readonly timeUs: number; readonly items: readonly JsonItem[] }
  | { readonly kind: "config" | "summary"; readonly items: readonly JsonItem[] }
  | { readonly kind: "artifact"; readonly name: string }
  | { readonly kind: "exit"; readonly code: number; readonly seconds: number };

/** The record that is of use here; undefined for one of another kind. Throws for what is no message. */
export function readRecord(data: Uint8Array): WandbRecord | undefined {
  const reader = new BinaryReader(data);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type !== 2) {
      reader.skip(type, field);
      continue;
    }
    switch (field) {
      case 2:
        return history(reader.bytes());
      case 3:
        return { kind: "summary", items: itemsOf(reader.bytes(), 1) };
      case 5:
        return { kind: "config", items: itemsOf(reader.bytes(), 1) };
      case 7:
        return stats(reader.bytes());
      case 8:
        return { kind: "artifact", name: text(fieldsOf(reader.bytes()).get(5)) };
      case 17:
        return run(reader.bytes());
      case 18:
        return exit(reader.bytes());
      default:
        reader.skip(type, field);
    }
  }
  return undefined;
}

function history(data: Uint8Array): WandbRecord {
  const reader = new BinaryReader(data);
  const items: JsonItem[] = [];
  let step = 0;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1 && type === 2) items.push(item(reader));
    else if (field === 2 && type === 2) step = firstNumber(reader.bytes());
    else reader.skip(type, field);
  }
  return { kind: "history", step, items };
}

function stats(data: Uint8Array): WandbRecord {
  return {
    kind: "stats",
    timeUs: timestampUs(fieldsOf(data).get(2)?.at(-1)),
    items: itemsOf(data, 3),
  };
}

function run(data: Uint8Array): WandbRecord {
  const fields = fieldsOf(data);
  const of = (number: number): string => text(fields.get(number));
  return {
    kind: "run",
    head: {
      runId: of(1),
      entity: of(2),
      project: of(3),
      name: of(8),
      group: of(6),
      jobType: of(7),
      notes: of(9),
      sweepId: of(12),
      host: of(13),
      labels: (fields.get(10) ?? []).map((label) => text([label])),
      startedAtUs: timestampUs(fields.get(17)?.at(-1)),
    },
    config: (fields.get(4) ?? []).flatMap((message) => itemsOf(message, 1)),
  };
}

function exit(data: Uint8Array): WandbRecord {
  const reader = new BinaryReader(data);
  let code = 0;
  let seconds = 0;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1 && type === 0) code = reader.int32();
    else if (field === 2 && type === 0) seconds = reader.int32();
    else reader.skip(type, field);
  }
  return { kind: "exit", code, seconds };
}

function itemsOf(data: Uint8Array, wanted: number): JsonItem[] {
  const reader = new BinaryReader(data);
  const items: JsonItem[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted && type === 2) items.push(item(reader));
    else reader.skip(type, field);
  }
  return items;
}

/** The item whose length comes next. */
function item(reader: BinaryReader): JsonItem {
  const end = reader.uint32() + reader.pos;
  const nested: string[] = [];
  let key = "";
  let json = "null";
  while (reader.pos < end) {
    const [field, type] = reader.tag();
    if (field === 1 && type === 2) key = reader.string();
    else if (field === 2 && type === 2) nested.push(reader.string());
    else if (field === 4 && type === 0) json = String(reader.bool());
    else if (field === 5 && type === 0) json = String(reader.sint64());
    else if (field === 6 && type === 1) json = String(reader.double());
    else if (field === 7 && type === 2) json = JSON.stringify(reader.string());
    else if ((field === 8 || field === 16) && type === 2) json = reader.string();
    else reader.skip(type, field);
  }
  return { key: nested.length > 0 ? nested.join(".") : key, json };
}

/** google.protobuf.Timestamp as unix microseconds; 0 when it is absent. */
function timestampUs(message: Uint8Array | undefined): number {
  if (message === undefined) return 0;
  const reader = new BinaryReader(message);
  let us = 0;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1 && type === 0) us += Number(reader.int64()) * 1e6;
    else if (field === 2 && type === 0) us += Math.round(reader.int32() / 1000);
    else reader.skip(type, field);
  }
  return us;
}

function firstNumber(message: Uint8Array): number {
  const reader = new BinaryReader(message);
  if (reader.pos === reader.len) return 0;
  reader.tag();
  return Number(reader.int64());
}

function text(values: readonly Uint8Array[] | undefined): string {
  return Buffer.from(values?.at(-1) ?? []).toString();
}
