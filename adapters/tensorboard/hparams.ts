/**
 * The params of a run as a session of the hparams plugin. The plugin reads only the first session start of a run, so it
 * lives in a small file of its own, read before the points, which is replaced whole when params are added.
 */
import { randomBytes } from "node:crypto";
import { rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import type { SinkEnd, SinkRun } from "@pipekit/adapters/tracker";
import { AppendFile } from "../append-file.ts";
import { isMissing } from "../file-faults.ts";
import { syncFolder } from "../files.ts";
import { fieldsOf } from "../message-fields.ts";
import { hparamsEvent, versionEvent } from "./events.ts";
import { RecordBuffer, readRecords } from "./record-file.ts";

const SUCCESS = 1;
const FAILURE = 2;
const START_TAG = "_hparams_/session_start_info";
const END_TAG = "_hparams_/session_end_info";

/** The event that starts a session with these params. */
export function sessionStart(params: Readonly<Record<string, string>>, run: SinkRun): Uint8Array {
  const info = new BinaryWriter();
  for (const [name, text] of Object.entries(params)) {
    info.tag(1, 2).fork().tag(1, 2).string(name);
    writeValue(info.tag(2, 2).fork(), text).join().join();
  }
  info.tag(5, 1).double(run.startedAtUs / 1e6);
  return hparamsEvent(START_TAG, new BinaryWriter().tag(3, 2).bytes(info.finish()).finish(), run.startedAtUs);
}

/** The event that ends a session. */
export function sessionEnd(end: SinkEnd): Uint8Array {
  const info = new BinaryWriter().tag(1, 0).int32(end.state === "completed" ? SUCCESS : FAILURE);
  info.tag(2, 1).double(end.endedAtUs / 1e6);
  return hparamsEvent(END_TAG, new BinaryWriter().tag(4, 2).bytes(info.finish()).finish(), end.endedAtUs);
}

/** Puts a file with these params in place of `path`, durably. Throws faults of the file system. */
export async function writeParams(
  path: string,
  params: Readonly<Record<string, string>>,
  run: SinkRun,
  signal: AbortSignal,
): Promise<void> {
  const buffer = new RecordBuffer(1024);
  buffer.add(versionEvent(run.startedAtUs));
  buffer.add(sessionStart(params, run));
  const folder = dirname(path);
  // No reader takes it for an event file.
  const draft = join(folder, `.params-${randomBytes(6).toString("hex")}`);
  try {
    const file = await AppendFile.create(draft, signal);
    await file.write(buffer.written()).finally(() => file.close());
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(folder);
}

/** The params in a file of ours; undefined when there is none. Throws faults of the file system. */
export async function readParams(
  path: string,
  signal: AbortSignal,
): Promise<Record<string, string> | undefined> {
  const params = new Map<string, string>();
  const collect = (data: Buffer) => collectParams(data, params);
  try {
    await readRecords(path, collect, signal);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return Object.fromEntries(params);
}

/** A param that is a number or a truth value in its one spelling becomes one, which the plugin can sort and plot. */
function writeValue(into: BinaryWriter, text: string): BinaryWriter {
  if (text === "true" || text === "false") return into.tag(4, 0).bool(text === "true");
  const number = Number(text);
  const isNumber = Number.isFinite(number) && String(number) === text;
  return isNumber ? into.tag(2, 1).double(number) : into.tag(3, 2).string(text);
}

/** Where in an event the params are: summary, value, metadata, plugin data, content, session start. */
const PATH = [5, 1, 9, 1, 2, 3];

function collectParams(event: Buffer, into: Map<string, string>): void {
  let bytes: Uint8Array | undefined = event;
  for (const field of PATH) bytes = bytes === undefined ? undefined : fieldsOf(bytes).get(field)?.at(-1);
  for (const [name, value] of bytes === undefined ? [] : sessionParams(bytes)) into.set(name, String(value));
}

/** The params of a SessionStartInfo. */
export function* sessionParams(start: Uint8Array): Generator<[string, string | number | boolean]> {
  for (const entry of fieldsOf(start).get(1) ?? []) {
    const fields = fieldsOf(entry);
    const name = Buffer.from(fields.get(1)?.at(-1) ?? []).toString();
    yield [name, plainValue(fields.get(2)?.at(-1) ?? new Uint8Array())];
  }
}

/** What the hparams plugin keeps in a value of its tags: the start of a session, or how it ended. */
export function sessionOf(content: Uint8Array): {
  readonly start: Uint8Array | undefined;
  readonly end: SessionEnd | undefined;
} {
  const fields = fieldsOf(content);
  const end = fields.get(4)?.at(-1);
  return { start: fields.get(3)?.at(-1), end: end === undefined ? undefined : readEnd(end) };
}

/** How a session ended. */
export interface SessionEnd {
  readonly failed: boolean;
  /** Unix seconds; 0 when it does not say. */
  readonly seconds: number;
}

function readEnd(message: Uint8Array): SessionEnd {
  const reader = new BinaryReader(message);
  let failed = false;
  let seconds = 0;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1 && type === 0) failed = reader.int32() === FAILURE;
    else if (field === 2 && type === 1) seconds = reader.double();
    else reader.skip(type, field);
  }
  return { failed, seconds };
}

function plainValue(value: Uint8Array): string | number | boolean {
  const reader = new BinaryReader(value);
  if (reader.pos === reader.len) return "";
  const [field] = reader.tag();
  if (field === 2) return reader.double();
  return field === 4 ? reader.bool() : reader.string();
}
