/**
 * TensorBoard's `Event` messages, by field number: Event{wall_time 1, step 2, file_version 3, summary 5},
 * Summary{value 1}, Value{tag 1, simple_value 2, tensor 8, metadata 9}. An event's bytes depend on its record alone,
 * so that what is written anew after a crash is the same, byte for byte, and a reader in the middle of it sees no seam.
 */
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { RecordBuffer } from "./record-file.ts";

const DT_FLOAT = 1;
const DT_STRING = 7;

/** The first event of every file. */
export function versionEvent(timeUs: number): Uint8Array {
  return event(timeUs, 0).tag(3, 2).string("brain.Event:2").finish();
}

/** A text (rendered as Markdown) at a step, as the text plugin wants it. */
export function textEvent(tag: string, text: string, step: number, timeUs: number): Uint8Array {
  const value = new BinaryWriter().tag(1, 2).string(tag);
  value.tag(8, 2).fork().tag(1, 0).int32(DT_STRING);
  value.tag(2, 2).fork().tag(2, 2).fork().tag(1, 0).int64(1).join().join();
  value.tag(8, 2).string(text).join();
  addMetadata(value, "text");
  return withSummary(event(timeUs, step), value);
}

/** A value of the hparams plugin: `content` is its HParamsPluginData. */
export function hparamsEvent(tag: string, content: Uint8Array, timeUs: number): Uint8Array {
  const value = new BinaryWriter().tag(1, 2).string(tag);
  // An empty tensor, since readers drop a value without one.
  value.tag(8, 2).fork().tag(1, 0).int32(DT_FLOAT).tag(2, 2).fork().tag(2, 2).fork().join().join().join();
  addMetadata(value, "hparams", content);
  return withSummary(event(timeUs, 0), value);
}

/** Adds the event of one point: `tag` is UTF-8, the value becomes a 32-bit float. */
export function addPoint(into: RecordBuffer, tag: Buffer, step: number, value: number, timeUs: number): void {
  const valueLength = 1 + varintLength(tag.length) + tag.length + 5;
  const summaryLength = 1 + varintLength(valueLength) + valueLength;
  into.begin(9 + 11 + 1 + 5 + summaryLength);
  const { bytes } = into;
  let at = into.at;
  bytes[at] = 0x09;
  at = bytes.writeDoubleLE(timeUs / 1e6, at + 1);
  if (step !== 0) {
    bytes[at] = 0x10;
    at = step > 0 ? writeVarint(bytes, at + 1, step) : writeNegative(bytes, at + 1, step);
  }
  bytes[at] = 0x2a;
  at = writeVarint(bytes, at + 1, summaryLength);
  bytes[at] = 0x0a;
  at = writeVarint(bytes, at + 1, valueLength);
  bytes[at] = 0x0a;
  at = writeVarint(bytes, at + 1, tag.length);
  at += tag.copy(bytes, at);
  bytes[at] = 0x15;
  into.at = bytes.writeFloatLE(value, at + 1);
  into.end();
}

function event(timeUs: number, step: number): BinaryWriter {
  const writer = new BinaryWriter().tag(1, 1).double(timeUs / 1e6);
  return step === 0 ? writer : writer.tag(2, 0).int64(step);
}

function withSummary(writer: BinaryWriter, value: BinaryWriter): Uint8Array {
  return writer.tag(5, 2).fork().tag(1, 2).bytes(value.finish()).join().finish();
}

/** SummaryMetadata{plugin_data 1{plugin_name 1, content 2}}. */
function addMetadata(value: BinaryWriter, plugin: string, content?: Uint8Array): void {
  value.tag(9, 2).fork().tag(1, 2).fork().tag(1, 2).string(plugin);
  if (content !== undefined) value.tag(2, 2).bytes(content);
  value.join().join();
}

function varintLength(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5;
}

function writeVarint(bytes: Buffer, at: number, value: number): number {
  let rest = value;
  let next = at;
  for (; rest > 0x7fffffff; rest = Math.floor(rest / 128)) bytes[next++] = (rest % 128) | 0x80;
  for (; rest > 0x7f; rest >>>= 7) bytes[next++] = (rest & 0x7f) | 0x80;
  bytes[next] = rest;
  return next + 1;
}

/** A negative number is ten bytes of its two's complement. */
function writeNegative(bytes: Buffer, at: number, value: number): number {
  let rest = BigInt.asUintN(64, BigInt(value));
  for (let next = at; next < at + 9; next++, rest >>= 7n) bytes[next] = Number(rest & 0x7fn) | 0x80;
  bytes[at + 9] = Number(rest);
  return at + 10;
}
