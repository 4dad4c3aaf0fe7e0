/**
 * Files of other tools: sound ones, changed in places, are read as far as they are sound, or refused typed. (registry.test.ts and
 * state.test.ts have the project's own.)
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatasetFault } from "@pipekit/adapters/dataset";
import { type HistoryKind, type PastRecord, SourceError } from "@pipekit/adapters/history";
import { mlflowHistory } from "@pipekit/adapters/mlflow";
import { tensorboardHistory } from "@pipekit/adapters/tensorboard";
import { wandbHistory } from "@pipekit/adapters/wandb";
import { checkColumns, PipekitError, packRows } from "@pipekit/proto";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { trackedPaths } from "../../adapters/dvc/git-index.ts";
import { parseListing } from "../../adapters/dvc/listing.ts";
import { readArtifact } from "../../daemon/cli/artifact-file.ts";
import { artifactName, jsonValue, RowCleaner } from "../../daemon/importing/clean.ts";
import { readTensors } from "../../daemon/registry/diffing/safetensors.ts";
import { never } from "../contract/registry-harness.ts";
import { mutated, mutatedText } from "./bytes.ts";
import { fuzz, PATIENCE_MS } from "./campaign.ts";
import { soon } from "./patience.ts";
import * as sound from "./sound-files.ts";

const options = { timeout: PATIENCE_MS };
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pkx-ff-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The records, each as it is or changed, in any order, and the file around them whole or changed. */
function framed(
  records: readonly Uint8Array[],
  file: (records: readonly Uint8Array[]) => Buffer,
): fc.Arbitrary<Buffer> {
  const one = fc.constantFrom(...records);
  const many = fc.array(fc.oneof(one, mutated(one)), { minLength: 1, maxLength: 8 });
  const whole = many.map((some) => file([records[0] ?? Buffer.alloc(0), ...some]));
  return fc.oneof({ arbitrary: whole, weight: 3 }, mutated(whole));
}

/** Reads all runs of a source as an import does, up to what the journal would be given. Returns points. */
async function imported(kind: HistoryKind, path: string): Promise<number> {
  const reader = await kind.load();
  await reader.recognises(path);
  let points = 0;
  try {
    const history = await reader.open(path, { env: {} } as never, never);
    try {
      for await (const run of history.list(never)) points += await readRun(history.read(run, never));
    } finally {
      await history.close();
    }
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
  }
  return points;
}

async function readRun(records: AsyncIterable<PastRecord>): Promise<number> {
  const cleaner = new RowCleaner(() => undefined);
  let points = 0;
  for await (const record of records) {
    if (record.kind === "params") JSON.parse(JSON.stringify(jsonValue(record.params)));
    if (record.kind === "file") artifactName(record.name);
    if (record.kind !== "rows") continue;
    const rows = record.rows.flatMap((row) => cleaner.clean(row));
    checkColumns(packRows(rows));
    points += rows.length;
  }
  return points;
}

test("event files", options, async () => {
  const path = join(folder, "tb");
  mkdirSync(path);
  let points = 0;
  await fuzz("event files", 150, framed(sound.EVENTS, sound.eventFile), async (bytes) => {
    writeFileSync(join(path, "events.out.tfevents.1.h"), bytes);
    points += await soon("an event file", () => imported(tensorboardHistory, path));
  });
  expect(points).toBeGreaterThan(0);
});

/** Values of a history that make a careless reader go back and forth, or down and down. */
const cells = fc.array(
  fc.tuple(
    fc.oneof(
      fc.constantFrom("a", "a._type", "_step", "_timestamp", "__proto__", ".".repeat(5000)),
      fc.string({ maxLength: 5 }),
    ),
    fc
      .tuple(
        fc.constantFrom("[", " ", '{"a":', "NaN", '\\"', '"', "[NaN ", "9", "-Infinity,", '{"_type":'),
        fc.constantFrom(1, 50, 3000, 20_000),
      )
      .map(([part, times]) => `${times > 50 ? "[" : ""}${part.repeat(times)}`),
  ),
  { maxLength: 4 },
);

test("logs of W&B", options, async () => {
  const path = join(folder, "wb");
  mkdirSync(path);
  let points = 0;
  await fuzz(".wandb", 150, framed(sound.WANDB_RECORDS, sound.wandbFile), async (bytes) => {
    writeFileSync(join(path, "run-x.wandb"), bytes);
    points += await soon("a log of W&B", () => imported(wandbHistory, path));
  });
  await fuzz("values of .wandb", 30, cells, async (all) => {
    writeFileSync(
      join(path, "run-x.wandb"),
      sound.wandbFile([...sound.WANDB_RECORDS, ...sound.wandbRecords(all)]),
    );
    await soon("values of W&B", () => imported(wandbHistory, path));
  });
  expect(points).toBeGreaterThan(0);
});

test("stores of MLflow", options, async () => {
  const path = join(folder, "ml.db");
  sound.mlflowDatabase(path);
  const database = readFileSync(path);
  await fuzz("mlflow.db", 100, mutated(fc.constant(database)), async (bytes) => {
    writeFileSync(path, bytes);
    await soon("a database", () => imported(mlflowHistory, path));
  });
  const run = join(folder, "mlruns/1/u");
  mkdirSync(join(run, "metrics"), { recursive: true });
  writeFileSync(join(run, "../meta.yaml"), "name: e\nexperiment_id: '1'\nlifecycle_stage: active\n");
  writeFileSync(join(run, "meta.yaml"), "run_id: u\nrun_name: r\nstatus: 3\nlifecycle_stage: active\n");
  const lines = fc.constantFrom(
    "1 0.5 1\n2 nan 2\n3 -inf 3 d digest\n",
    "1e400 1 1e400\n",
    "1 1 1 1 1\r2 2 2",
  );
  await fuzz("metric files", 60, mutated(lines.map((text) => Buffer.from(text))), async (bytes) => {
    writeFileSync(join(run, "metrics/loss"), bytes);
    await soon("a metric's file", () => imported(mlflowHistory, join(folder, "mlruns")));
  });
});

test("headers of safetensors, artifacts, listings and indexes", options, async () => {
  const tensors = fc.oneof(
    mutatedText(fc.constant(sound.TENSORS)).map(sound.safetensors),
    mutated(fc.constant(sound.safetensors(sound.TENSORS))),
  );
  await fuzz("safetensors", 1000, tensors, async (bytes) => {
    const readAt = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
    for (const { offset, size } of (await readTensors(readAt, bytes.length)) ?? []) {
      expect(offset >= 8 && size >= 0 && offset + size <= bytes.length).toBe(true);
    }
  });
  const path = join(folder, "one");
  const artifacts = fc.oneof(
    mutatedText(fc.constant(sound.ARTIFACT_BODY)).map(sound.artifactFile),
    mutated(fc.constant(sound.artifactFile(sound.ARTIFACT_BODY))),
  );
  await fuzz("artifacts", 300, artifacts, async (bytes) => {
    writeFileSync(path, bytes);
    await readArtifact(path).catch((error: unknown) => {
      if (!(error instanceof PipekitError) || error.code === "INTERNAL") throw error;
    });
  });
  const listing = fc.constant(
    '[{"md5": "f97c5d29941bfb1b2fdab0874906ab82", "relpath": "a/b"}, {"md5": "f97c5d29941bfb1b2fdab0874906ab82", "relpath": "c"}]',
  );
  await fuzz("listings", 500, mutatedText(listing), (text) => {
    refused(() => {
      for (const { relpath } of parseListing(Buffer.from(text), "x"))
        expect(join("/r", relpath).startsWith("/r/")).toBe(true);
    });
  });
  const index = Buffer.concat([
    Buffer.from("DIRC\0\0\0\x02\0\0\0\x01"),
    Buffer.alloc(60),
    Buffer.from("\0\x03a/b\0\0\0\0\0"),
    Buffer.from("TREE\0\0\0\0"),
    Buffer.alloc(20),
  ]);
  await fuzz("git index", 500, mutated(fc.constant(index)), (bytes) => {
    writeFileSync(path, bytes);
    refused(() => trackedPaths(path, 20));
  });
});

function refused(call: () => void): void {
  try {
    call();
  } catch (error) {
    if (!(error instanceof DatasetFault)) throw error;
  }
}
