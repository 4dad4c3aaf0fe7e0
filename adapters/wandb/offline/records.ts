/**
 * W&B's `Record` messages, by field number: Record{num 1, history 2, summary 3, config 5, stats 7, artifact 8,
 * telemetry 11, metric 12, run 17, exit 18, final 20, header 21, environment 26}. Items carry their values as JSON text.
 */

import { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { SinkRun } from "@pipekit/adapters/tracker";
import type { Row } from "../history.ts";
import { AXIS_KEY } from "../keys.ts";
import type { RunFacts } from "./run-facts.ts";

/** The client whose records these are like. */
const LIKE = "0.31.0";
const VALUE_JSON = 16;
const TELEMETRY = 11;
const ENVIRONMENT = 26;

/** Everything but the number of a record. */
export interface Draft {
  readonly field: number;
  readonly body: Uint8Array;
}

/** A record as it stands in the file. Numbers count from 1. */
export function numbered({ field, body }: Draft, num: number): Uint8Array {
  const writer = new BinaryWriter().tag(1, 0).int64(num);
  // An old `wandb sync` (0.16) ends at a record of a kind that it does not know. An empty TelemetryRecord changes nothing
  // there; for others the last kind counts.
  if (field === ENVIRONMENT) writer.tag(TELEMETRY, 2).bytes(new Uint8Array());
  return writer.tag(field, 2).bytes(body).finish();
}

export function headerRecord(): Draft {
  const version = new BinaryWriter().tag(1, 2).string(LIKE).tag(2, 2).string("0.70.0");
  return draft(21, new BinaryWriter().tag(1, 2).bytes(version.finish()));
}

/** The run: where it goes, what it is called, and what it starts with. */
export function runRecord(
  run: SinkRun,
  place: { readonly entity: string; readonly project: string },
  facts: RunFacts,
): Draft {
  const writer = new BinaryWriter().tag(1, 2).string(run.runId);
  if (place.entity !== "") writer.tag(2, 2).string(place.entity);
  writer.tag(3, 2).string(place.project);
  writer.tag(4, 2).bytes(configItems(facts.config));
  if (facts.group !== undefined) writer.tag(6, 2).string(facts.group);
  if (facts.jobType !== undefined) writer.tag(7, 2).string(facts.jobType);
  writer.tag(8, 2).string(run.name);
  if (facts.notes !== undefined) writer.tag(9, 2).string(facts.notes);
  for (const tag of facts.tags) writer.tag(10, 2).string(tag);
  writer.tag(13, 2).string(run.host);
  timestamp(writer.tag(17, 2), run.startedAtUs);
  // A server takes a run without telemetry as not started.
  writer.tag(19, 2).bytes(telemetry());
  return draft(17, writer);
}

/** Config keys with their new values. */
export function configRecord(config: RunFacts["config"]): Draft {
  return { field: 5, body: configItems(config) };
}

/** The machine, as far as we know it. */
export function environmentRecord(run: SinkRun): Draft {
  const writer = timestamp(new BinaryWriter().tag(3, 2), run.startedAtUs);
  return draft(ENVIRONMENT, writer.tag(12, 2).string(run.host).tag(199, 2).string(run.runId));
}

/** A line of the history. */
export function historyRecord(row: Row, startedAtUs: number): Draft {
  const writer = new BinaryWriter();
  const add = (key: string, json: string) => item(writer.tag(1, 2), key, json);
  for (const [key, token] of row.cells) add(key, token);
  add(AXIS_KEY, String(row.step));
  add("_step", String(row.wandbStep));
  add("_timestamp", String(row.timeUs / 1e6));
  add("_runtime", String((row.timeUs - startedAtUs) / 1e6));
  return draft(2, writer.tag(2, 2).fork().tag(1, 0).int64(row.wandbStep).join());
}

/** A line of the events, whose keys are the machine's. */
export function statsRecord(row: Row): Draft {
  const writer = timestamp(new BinaryWriter().tag(2, 2), row.timeUs);
  for (const [key, token] of row.cells) item(writer.tag(3, 2), statsKey(key), token);
  return draft(7, writer);
}

/** A key of the events as a stats record has it: whoever uploads it puts `system.` before it. */
export function statsKey(eventKey: string): string {
  return eventKey.replace(/^system\./, "");
}

/** What the summary says now of these keys; other keys stay as they are. */
export function summaryRecord(rows: readonly Row[], startedAtUs: number): Draft {
  const values = new Map<string, string>();
  for (const row of rows) {
    for (const [key, token] of row.cells) values.set(key, token);
    values.set("_step", String(row.wandbStep));
    values.set("_timestamp", String(row.timeUs / 1e6));
    values.set("_runtime", String((row.timeUs - startedAtUs) / 1e6));
  }
  const writer = new BinaryWriter();
  for (const [key, json] of values) item(writer.tag(1, 2), key, json);
  return draft(3, writer);
}

/** That the step as it was logged gets no chart of its own. */
export function axisRecord(): Draft {
  const options = new BinaryWriter().tag(2, 0).bool(true).tag(3, 0).bool(true);
  return draft(12, new BinaryWriter().tag(1, 2).string(AXIS_KEY).tag(6, 2).bytes(options.finish()));
}

/** That a metric's charts have the step as it was logged as their axis. */
export function metricRecord(key: string): Draft {
  const writer = new BinaryWriter().tag(1, 2).string(key).tag(4, 2).string(AXIS_KEY);
  return draft(12, writer.tag(6, 2).fork().tag(3, 0).bool(true).join());
}

/** How the run ended. */
export function exitRecord(exitCode: number, seconds: number): Draft {
  const writer = new BinaryWriter();
  if (exitCode !== 0) writer.tag(1, 0).int32(exitCode);
  return draft(18, writer.tag(2, 0).int32(Math.max(0, Math.min(2 ** 31 - 1, Math.floor(seconds)))));
}

/** That nothing comes after the exit: an old `wandb sync` (0.16) tells the server of the exit only then. */
export function finalRecord(): Draft {
  return { field: 20, body: new Uint8Array() };
}

function draft(field: number, writer: BinaryWriter): Draft {
  return { field, body: writer.finish() };
}

/** Its key in `key`, never as a `nested_key` of one part, which an old `wandb sync` (0.16) does not read. */
function item(writer: BinaryWriter, key: string, json: string): void {
  writer.fork().tag(1, 2).string(key).tag(VALUE_JSON, 2).string(json).join();
}

function configItems(config: RunFacts["config"]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [key, value] of config) item(writer.tag(1, 2), key, JSON.stringify(value));
  return writer.finish();
}

/** google.protobuf.Timestamp. */
function timestamp(writer: BinaryWriter, timeUs: number): BinaryWriter {
  const seconds = Math.floor(timeUs / 1e6);
  return writer
    .fork()
    .tag(1, 0)
    .int64(seconds)
    .tag(2, 0)
    .int32((timeUs - seconds * 1e6) * 1000)
    .join();
}

/** TelemetryRecord{cli_version 5, platform 13}: not empty, or it would not be kept. */
function telemetry(): Uint8Array {
  return new BinaryWriter().tag(5, 2).string(LIKE).finish();
}
