/**
 * What an event says, read by field number (see ../events.ts; TensorProto{dtype 1, tensor_content 4, float_val 5,
 * double_val 6}). A scalar is a `simple_value`, as TF 1, torch and ours write it, or a tensor of the plugin `scalars`, as
 * TF 2 and Keras do; of a tag only the first value need name its plugin.
 */
import { BinaryReader } from "@bufbuild/protobuf/wire";

const DT_FLOAT = 1;
const DT_DOUBLE = 2;

/** A value of an event. */
export type EventValue =
  | { readonly kind: "scalar"; readonly tag: string; readonly value: number }
  /** `content` is the plugin's own, of the hparams plugin for one. */
  | { readonly kind: "other"; readonly tag: string; readonly plugin: string; readonly content: Uint8Array };

export interface Event {
  readonly timeUs: number;
  readonly step: number;
  readonly values: readonly EventValue[];
}

/** Reads the events of one run, in order. */
export class EventReader {
  /** Tag to plugin. */
  readonly #plugins = new Map<string, string>();

  /** Throws RangeError and the like for what is no event. */
  read(data: Uint8Array): Event {
    const reader = new BinaryReader(data);
    let seconds = 0;
    let step = 0;
    const values: EventValue[] = [];
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1 && type === 1) seconds = reader.double();
      else if (field === 2 && type === 0) step = Number(reader.int64());
      else if (field === 5 && type === 2) this.#summary(reader.bytes(), values);
      else reader.skip(type, field);
    }
    return { timeUs: Math.round(seconds * 1e6), step, values };
  }

  #summary(data: Uint8Array, into: EventValue[]): void {
    const reader = new BinaryReader(data);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1 && type === 2) into.push(this.#value(reader.bytes()));
      else reader.skip(type, field);
    }
  }

  #value(data: Uint8Array): EventValue {
    const reader = new BinaryReader(data);
    let tag = "";
    let simple: number | undefined;
    let tensor: Uint8Array | undefined;
    let metadata: Uint8Array | undefined;
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1 && type === 2) tag = reader.string();
      else if (field === 2 && type === 5) simple = reader.float();
      else if (field === 8 && type === 2) tensor = reader.bytes();
      else if (field === 9 && type === 2) metadata = reader.bytes();
      else reader.skip(type, field);
    }
    if (simple !== undefined) return { kind: "scalar", tag, value: simple };
    const { plugin, content } = pluginOf(metadata);
    if (plugin !== "") this.#plugins.set(tag, plugin);
    const known = plugin || this.#plugins.get(tag) || "";
    const value = known === "scalars" && tensor !== undefined ? scalarOf(tensor) : undefined;
    return value === undefined
      ? { kind: "other", tag, plugin: known, content }
      : { kind: "scalar", tag, value };
  }
}

/** SummaryMetadata{plugin_data 1{plugin_name 1, content 2}}. */
function pluginOf(metadata: Uint8Array | undefined): { plugin: string; content: Uint8Array } {
  let plugin = "";
  let content = new Uint8Array();
  for (const data of bytesOf(metadata, 1)) {
    const reader = new BinaryReader(data);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1 && type === 2) plugin = reader.string();
      else if (field === 2 && type === 2) content = Uint8Array.from(reader.bytes());
      else reader.skip(type, field);
    }
  }
  return { plugin, content };
}

function* bytesOf(message: Uint8Array | undefined, wanted: number): Generator<Uint8Array> {
  const reader = new BinaryReader(message ?? new Uint8Array());
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted && type === 2) yield reader.bytes();
    else reader.skip(type, field);
  }
}

/** The one number of a tensor; undefined when it is none. Packed or not. */
function scalarOf(tensor: Uint8Array): number | undefined {
  const reader = new BinaryReader(tensor);
  let dtype = 0;
  let raw: Uint8Array | undefined;
  let value: number | undefined;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1 && type === 0) dtype = reader.int32();
    else if ((field === 4 || field === 5 || field === 6) && type === 2) raw = reader.bytes();
    else if (field === 5 && type === 5) value = reader.float();
    else if (field === 6 && type === 1) value = reader.double();
    else reader.skip(type, field);
  }
  if (value !== undefined) return value;
  const view = raw === undefined ? undefined : new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  if (dtype === DT_FLOAT && view?.byteLength === 4) return view.getFloat32(0, true);
  return dtype === DT_DOUBLE && view?.byteLength === 8 ? view.getFloat64(0, true) : undefined;
}
