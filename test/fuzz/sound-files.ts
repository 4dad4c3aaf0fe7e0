/** Sound files of the formats that are read here, and frames around changed content, so that checksums hide nothing. */
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { textEvent, versionEvent } from "../../adapters/tensorboard/events.ts";
import { sessionEnd, sessionStart } from "../../adapters/tensorboard/hparams.ts";
import { RecordBuffer } from "../../adapters/tensorboard/record-file.ts";
import { FILE_HEADER, frameRecords } from "../../adapters/wandb/offline/log-file.ts";
import {
  configRecord,
  exitRecord,
  historyRecord,
  numbered,
  runRecord,
  statsRecord,
  summaryRecord,
} from "../../adapters/wandb/offline/records.ts";

const RUN = {
  runId: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
  name: "r",
  startedAtUs: 1e15,
  host: "h",
  tags: {},
  configJson: "{}",
};
const ROW = {
  cells: new Map([
    ["loss", "0.5"],
    ["acc", '"NaN"'],
    ["image", '{"_type":"image-file","width":3}'],
    ["nested", '{"a":{"b":1},"c":[1]}'],
  ]),
  step: 3,
  wandbStep: 3,
  timeUs: 1e15,
};

/** Events of TensorBoard: two plain points, a tensor of TF 2's, hyperparameters, a text, an end. */
export const EVENTS: readonly Uint8Array[] = [
  versionEvent(1e15),
  sessionStart({ lr: "0.1", name: '"x"', flag: "true" }, RUN as never),
  event([0x0a, 4, ...Buffer.from("loss"), 0x15, 0, 0, 0x80, 0x3f]),
  event([
    0x0a,
    1,
    0x61,
    0x42,
    8,
    8,
    1,
    0x22,
    4,
    0,
    0,
    0x80,
    0x3f,
    0x4a,
    11,
    0x0a,
    9,
    0x0a,
    7,
    ...Buffer.from("scalars"),
  ]),
  textEvent("note", "a text", 3, 1e15),
  sessionEnd({ state: "completed", reason: "", endedAtUs: 1e15 } as never),
];

/** Event{wall_time 1.0, step 7, summary{value}}. */
function event(value: readonly number[]): Uint8Array {
  return Uint8Array.from([
    0x09,
    0,
    0,
    0,
    0,
    0,
    0,
    0xf0,
    0x3f,
    0x10,
    7,
    0x2a,
    value.length + 2,
    0x0a,
    value.length,
    ...value,
  ]);
}

export function eventFile(events: readonly Uint8Array[]): Buffer {
  const buffer = new RecordBuffer(1024);
  for (const one of events) buffer.add(one);
  return buffer.written();
}

const facts = {
  config: new Map([["lr", "0.1"]]),
  group: "g",
  jobType: "train",
  notes: "n",
  tags: ["a", "k=v"],
};

/** A record of the history with these cells, and one of the config with the same. */
export function wandbRecords(cells: readonly (readonly [string, string])[]): Uint8Array[] {
  const record = historyRecord({ ...ROW, cells: new Map(cells) } as never, 1e15);
  return [numbered(record, 9), numbered(configRecord(new Map(cells) as never), 10)];
}

/** Records of a `.wandb` file. */
export const WANDB_RECORDS: readonly Uint8Array[] = [
  runRecord(RUN as never, { entity: "e", project: "p" }, facts as never),
  configRecord(new Map([["b", '{"c":1}']]) as never),
  historyRecord(ROW as never, 1e15),
  statsRecord({ ...ROW, cells: new Map([["system.cpu", "50"]]) } as never),
  summaryRecord([ROW as never], 1e15),
  exitRecord(1, 5),
].map((draft, i) => numbered(draft, i + 1));

export function wandbFile(records: readonly Uint8Array[]): Buffer {
  return Buffer.concat([FILE_HEADER, frameRecords(records, FILE_HEADER.length)]);
}

/** An entry of a spool file, with the checksum that it needs. */
export function spoolEntry(seq: bigint, points: number, frame: Uint8Array): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt32LE(frame.length);
  head.writeBigUInt64LE(seq, 8);
  head.writeUInt32LE(points, 16);
  head.writeUInt32LE(crc32(frame, crc32(head.subarray(8))), 4);
  return Buffer.concat([head, frame]);
}

/** A block of a ring with these entries, `kind` and `number` in their words. */
export function ringBlock(entries: readonly { kind: number; number: number; body: Uint8Array }[]): Buffer {
  const whole = entries.map(({ kind, number, body }) => {
    const size = 16 + Math.ceil(body.length / 8) * 8;
    const bytes = Buffer.alloc(size);
    bytes.writeUInt32LE(size);
    bytes.writeUInt32LE(((kind << 24) | number) >>> 0, 4);
    bytes.set(body, 8);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, size - 8)), size - 8);
    return bytes;
  });
  return Buffer.concat([Buffer.alloc(16), ...whole, Buffer.alloc(64)]);
}

/** A file store of MLflow's in SQLite. */
export function mlflowDatabase(path: string): void {
  const db = new DatabaseSync(path);
  db.exec(`
    CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name TEXT, lifecycle_stage TEXT);
    CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, name TEXT, experiment_id INTEGER, status TEXT, start_time INTEGER,
      end_time INTEGER, artifact_uri TEXT, lifecycle_stage TEXT);
    CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
    CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
    CREATE TABLE metrics (key TEXT, value FLOAT, timestamp INTEGER, run_uuid TEXT, step INTEGER, is_nan BOOLEAN);
    INSERT INTO experiments VALUES (1, 'e', 'active');
    INSERT INTO runs VALUES ('u', 'r', 1, 'FINISHED', 1, 2, '/x', 'active');
    INSERT INTO params VALUES ('lr', '0.1', 'u');
    INSERT INTO tags VALUES ('a', 'b', 'u');
    INSERT INTO metrics VALUES ('loss', 0.5, 1, 'u', 1, 0), ('loss', 0, 2, 'u', 2, 1);
  `);
  db.close();
}

/** A safetensors file of two tensors. */
export function safetensors(header: string): Buffer {
  const head = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(head.length));
  return Buffer.concat([length, head, Buffer.alloc(16)]);
}

export const TENSORS =
  '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}}';

/** A training artifact, sealed. */
export function artifactFile(body: string): Buffer {
  const head = '{\n  "format": "pipekit-training-artifact",\n  "version": 1,\n  "digest": "sha256:';
  const text = `${head}${"0".repeat(64)}",\n  "body": ${body}\n}\n`;
  return Buffer.from(text.replace("0".repeat(64), createHash("sha256").update(text).digest("hex")));
}

export const ARTIFACT_BODY = JSON.stringify({
  training_pipeline_yaml: ["a"],
  dataset_hash: "",
  trained_model_hash: "",
  tracker_run_id: null,
  model_registry_uri: "",
  backend_info: {},
  deps_lock: [],
  metadata: {},
});
