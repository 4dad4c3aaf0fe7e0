/** The same script, logged by MLflow's own client and by us to one real server, reads back alike. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mlflowTracker } from "@pipekit/adapters/mlflow";
import type { SinkRecord } from "@pipekit/adapters/tracker";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type MlflowServer, startMlflowServer } from "../support/mlflow-server.ts";
import { toolPath } from "../support/tools.ts";
import { file, NEVER, newRun, openRun } from "./support.ts";

const PYTHON = toolPath("python");
const EXPERIMENT = "differential";
const SCRIPT = {
  name: "a run",
  params: { lr: "0.1", "model.depth": "3", text: 'é\n"q"' },
  tags: { team: "red", stage: "dev" },
  rows: [
    ["loss", 0, "1.5", 1_760_000_000_001],
    ["loss", 0, "1.25", 1_760_000_000_002],
    ["val/acc", 1, "1e-300", 1_760_000_000_003],
    ["loss", 7, "NaN", 1_760_000_000_004],
    ["loss", 3, "-Infinity", 1_760_000_000_005],
    ["loss", -2, "9007199254740993", 1_760_000_000_006],
  ] as const,
  files: { "report.txt": "done\n", "sub/é.txt": "x" },
  status: "FAILED",
} as const;

const Seen = z.object({
  name: z.string(),
  status: z.string(),
  params: z.record(z.string(), z.string()),
  tags: z.record(z.string(), z.string()),
  history: z.record(z.string(), z.array(z.tuple([z.number(), z.string(), z.number()]))),
  files: z.record(z.string(), z.string()),
});

let server: MlflowServer;
let folder: string;

beforeAll(async () => {
  server = await startMlflowServer();
  folder = mkdtempSync(join(tmpdir(), "pkx-mlflow-differential-"));
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

function python(script: string, args: readonly string[], input = ""): string {
  const done = spawnSync(PYTHON, [join(import.meta.dirname, script), ...args], { input, encoding: "utf8" });
  if (done.status !== 0) throw new Error(done.stderr);
  return done.stdout.trim().split("\n").at(-1) ?? "";
}

function logByClient(): string {
  const rows = SCRIPT.rows.map(([key, step, value, time]) => [
    key,
    step,
    value.replace("Infinity", "inf"),
    time,
  ]);
  const script = { uri: server.url, experiment: EXPERIMENT, ...SCRIPT, rows };
  return python("log_script.py", [], JSON.stringify(script));
}

async function logByUs(): Promise<string> {
  const run = newRun({ name: SCRIPT.name, tags: SCRIPT.tags });
  const { adapter, open } = await openRun(mlflowTracker, `mlflow://${server.host}/${EXPERIMENT}`, run);
  const batch: SinkRecord[] = [
    { kind: "params", params: SCRIPT.params },
    ...SCRIPT.rows.map(([key, step, value, timeMs]): SinkRecord => {
      return { kind: "point", key, step, value: Number(value), timeUs: timeMs * 1000 };
    }),
    ...Object.entries(SCRIPT.files).map(([path, text]): SinkRecord => {
      return { kind: "artifact", name: path, files: [file(folder, path, text, "")], uri: "" };
    }),
  ];
  for (const part of [batch.slice(0, 4), batch.slice(4)]) {
    expect(await adapter.send(part, NEVER)).toEqual({ status: "ok" });
  }
  const end = { state: "failed", reason: "", endedAtUs: 1_760_000_009_000_000 } as const;
  expect(await adapter.finish(end, NEVER)).toEqual({ status: "ok" });
  expect(adapter.takeNotes()).toEqual([]);
  await adapter.close();
  return open.remoteId;
}

/** What MLflow's own client reads, without the tags that each side adds of its own. */
function read(runId: string) {
  const seen = Seen.parse(
    JSON.parse(python("read_back.py", [server.url, runId, mkdtempSync(join(folder, "x-"))])),
  );
  const tags = Object.entries(seen.tags).filter(([name]) => !/^(mlflow|pipekit)\./.test(name));
  return { ...seen, tags: Object.fromEntries(tags) };
}

test("a script logged by MLflow's client and by us reads back alike", { timeout: 60_000 }, async () => {
  const byUs = read(await logByUs());
  expect(byUs.history["loss"]).toHaveLength(5);
  expect(byUs).toEqual(read(logByClient()));
});
