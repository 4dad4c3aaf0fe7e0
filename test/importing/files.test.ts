/** Runs in folders that real W&B, torch and TensorBoard wrote, and an export in the form of Neptune's exporter. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect, RunState } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { startPythonReader } from "../support/python-reader.ts";
import { importAll, NEW, type Points, pointsOf, python, UNCHANGED } from "./support.ts";

const T0 = 1_700_000_000;
/** Also steps that repeat and fall, and what is no number. */
const SERIES = [
  ...Array.from({ length: 300 }, (_, i) => ["loss", i, String(1 / (i + 1)), T0 + i] as const),
  ...[["loss", 7, "nan", T0 + 400] as const, ["loss", 7, "inf", T0 + 401] as const],
  ["val/acc", 2 ** 40, "-0.5", T0 + 402] as const,
];

let home: string;
let daemon: TestDaemon;
let client: Client;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "pkx-imp-"));
  daemon = await startDaemon();
  client = await connect({ endpoint: daemon.endpoint });
});
afterAll(async () => {
  client?.close();
  await daemon?.stop();
  rmSync(home, { recursive: true, force: true });
});

function numberOf(text: string): number {
  return { nan: Number.NaN, inf: Number.POSITIVE_INFINITY }[text] ?? Number(text);
}

/** The series as a tool keeps it: `round` makes a value of it, `microseconds` a time. */
function expected(round: (value: number) => number, prefix = ""): Points {
  const points: Record<string, [number, number, number][]> = {};
  for (const [key, step, value, seconds] of SERIES) {
    points[prefix + key] ??= [];
    points[prefix + key]?.push([step, round(numberOf(value)), seconds * 1e6]);
  }
  return points;
}

test("TensorBoard: torch's files, tensors as of TensorFlow 2, two writers in one folder; and delivered on", async () => {
  const events = join(home, "events");
  await python(
    "event_files.py",
    { points: SERIES, params: { lr: 0.001, net: "mlp", deep: true } },
    {
      cwd: home,
      args: [events],
    },
  );
  const to = join(home, "delivered");
  const imported = await importAll(client, events, { sinks: [`tensorboard://${to}`] });
  expect([...imported.runs.keys()].sort()).toEqual(["both", "session", "tf2", "torch"]);
  const id = (name: string) => imported.runs.get(name)?.runId ?? "";
  for (const name of ["torch", "tf2"])
    expect(await pointsOf(client, id(name))).toEqual(expected(Math.fround));
  expect(await pointsOf(client, id("both"))).toEqual({
    ...expected(Math.fround),
    ...expected(Math.fround, "two/"),
  });
  const session = await client.getRun(id("session"));
  // torch takes a truth value for a number.
  expect(session.params).toEqual({ lr: "0.001", net: '"mlp"', deep: "1" });
  expect(session.state).toBe(RunState.RUN_STATE_COMPLETED);
  expect(imported.notes.filter((note) => note.startsWith("Run torch:"))).toEqual([
    "Run torch: 1 values (images and the like) are no scalars, and are left out.",
    "Run torch: 1 values (text) are no scalars, and are left out.",
  ]);
  // What was imported is what TensorBoard then shows of our own sink.
  for await (const progress of client.delivery.sync({ runIds: [id("session"), id("torch")] })) {
    if (progress.runsDelivered >= 1 && progress.pointsPending === 0) break;
  }
  const folder = readdirSync(to).find((name) => name.startsWith("torch-")) ?? "";
  const reader = startPythonReader("test/tensorboard/reader.py");
  try {
    const shown = (await reader.ask({ folder: join(to, folder) })) as { scalars: [string, unknown[]][] };
    const [, loss = []] = shown.scalars.find(([tag]) => tag === "loss") ?? [];
    expect(loss).toEqual(
      (expected(Math.fround)["loss"] ?? []).map(([step, value, us]) => [
        step,
        Number.isFinite(value) ? value : Number.isNaN(value) ? "nan" : "inf",
        us / 1e6,
      ]),
    );
  } finally {
    await reader.close();
  }
  // What comes from our own sink is not taken for new.
  const back = await importAll(client, to);
  expect(back.pointsTaken).toBe(0);
  expect(new Set(back.outcomes)).toEqual(new Set([UNCHANGED]));
  expect([...back.runs.values()].map(({ runId }) => runId).sort()).toEqual(
    [...imported.runs.values()].map(({ runId }) => runId).sort(),
  );
});

test("W&B: offline runs, one resumed, one torn; config, history, summary, files", async () => {
  const run = {
    project: "vision",
    id: "aaaa1111",
    name: "first",
    tags: ["plain", "k=v"],
    config: { lr: 0.001, net: { depth: 3, odd: "é" }, list: [1, 2] },
    rows: [
      ...Array.from({ length: 500 }, (_, i) => [i, { loss: 1 / (i + 1), acc: i % 2 ? "nan" : "inf" }]),
      [600, { nested: { a: 1, b: true } }],
    ],
    exit_code: 0,
    media: true,
  };
  const torn = { ...run, id: "bbbb2222", name: "torn", media: false };
  const failed = {
    ...run,
    id: "cccc3333",
    name: "failed",
    media: false,
    rows: [[0, { x: 1 }]],
    exit_code: 3,
  };
  const again = { ...failed, id: "aaaa1111", name: "first", rows: [[700, { loss: 7 }]], exit_code: 0 };
  await python(
    "wandb_runs.py",
    { runs: [run, torn, failed, again] },
    {
      cwd: home,
      env: { WANDB_DIR: home, WANDB_CACHE_DIR: home, WANDB_DATA_DIR: home, WANDB_ERROR_REPORTING: "false" },
    },
  );
  const folders = readdirSync(join(home, "wandb"));
  const tornFolder = join(home, "wandb", folders.find((name) => name.includes("bbbb2222")) ?? "");
  const log = join(tornFolder, "run-bbbb2222.wandb");
  const bytes = readFileSync(log);
  writeFileSync(log, bytes.subarray(0, Math.floor(bytes.length / 2)));

  const imported = await importAll(client, join(home, "wandb"));
  expect([...imported.runs.values()].map(({ name, outcome }) => [name, outcome]).sort()).toEqual([
    ["failed", NEW],
    ["first", NEW],
    ["torn", NEW],
  ]);
  const first = await client.getRun(imported.runs.get("first")?.runId ?? "");
  const points = await pointsOf(client, first.runId);
  expect(points["loss"]?.map(([step, value]) => [step, value])).toEqual([
    ...Array.from({ length: 500 }, (_, i) => [i, 1 / (i + 1)]),
    [700, 7],
  ]);
  expect(points["acc"]?.map(([, value]) => value)).toEqual(
    Array.from({ length: 500 }, (_, i) => (i % 2 ? Number.NaN : Number.POSITIVE_INFINITY)),
  );
  expect(points["nested.a"]).toMatchObject([[600, 1, expect.any(Number)]]);
  expect(points["nested.b"]).toMatchObject([[600, 1, expect.any(Number)]]);
  const times = points["loss"]?.map(([, , us]) => us) ?? [];
  expect(times.every((us) => us > first.startedAtUs - 60e6 && us < Date.now() * 1000)).toBe(true);
  expect(first).toMatchObject({
    state: RunState.RUN_STATE_COMPLETED,
    params: { lr: "0.001", "net.depth": "3" },
  });
  expect(first.params).toMatchObject({ "net.odd": '"é"', list: "[1,2]" });
  expect(first.tags).toMatchObject({
    plain: "",
    k: "v",
    notes: "a note",
    group: "a group",
    "wandb.project": "vision",
  });
  expect(first.tags["wandb.summary.best"]).toBe("0.25");
  expect(first.artifacts.some(({ name }) => /^files\/offline-run-\S+\/media$/.test(name))).toBe(true);
  expect(imported.notes.filter((note) => note.startsWith("Run aaaa1111"))).toEqual([
    "Run aaaa1111: 1 values of type html-file are left out.",
    "Run aaaa1111: 1 values of type text are left out.",
  ]);
  expect(Object.keys(points).sort()).toEqual(["acc", "loss", "nested.a", "nested.b"]);

  const half = await client.getRun(imported.runs.get("torn")?.runId ?? "");
  // Its author may still write, as far as anybody can tell.
  expect(half.state).toBe(RunState.RUN_STATE_RUNNING);
  expect(half.points).toBeGreaterThan(100);
  expect(half.points).toBeLessThan(1000);
  const bad = await client.getRun(imported.runs.get("failed")?.runId ?? "");
  expect(bad).toMatchObject({ state: RunState.RUN_STATE_FAILED, reason: "exit code 3" });

  // The rest of the torn one comes.
  writeFileSync(log, bytes);
  const whole = await importAll(client, log);
  const rest = await client.getRun(half.runId);
  expect(whole.runs.get("torn")?.pointsTaken).toBe(rest.points - half.points);
  expect(rest).toMatchObject({ state: RunState.RUN_STATE_COMPLETED, points: 1002 });
  expect((await importAll(client, join(home, "wandb"))).outcomes).toEqual([UNCHANGED, UNCHANGED, UNCHANGED]);
});

test("Neptune: an export of several parts, with decimal steps, files, and what has no place here", async () => {
  const exports = join(home, "exports");
  const ms = T0 * 1000;
  const rows = [
    ["sys/name", "string", null, null, "my run"],
    ["sys/creation_time", "datetime", null, null, ms],
    ["sys/failed", "bool", null, null, true],
    ["sys/tags", "string_set", null, null, ["a tag", "other"]],
    ["params/lr", "float", null, null, 0.001],
    ["params/depth", "int", null, null, 3],
    ["params/when", "datetime", null, null, ms],
    ["params/deep", "bool", null, null, false],
    ...SERIES.map(([key, step, value, at]) => [key, "float_series", Math.min(step, 1e9), at * 1000, value]),
    ["half", "float_series", 0.5, ms, 1],
    ["half", "float_series", 1.5, ms, 2],
    ["out", "string_series", 0, ms, "line"],
    ["model/file", "file", null, null, { path: "ORG/RUN-1/model/file", text: "bytes" }],
    ["outside", "file", null, null, { path: "../../data" }],
    ["gone", "file", null, null, { path: "ORG/RUN-1/gone" }],
  ];
  await python(
    "neptune_export.py",
    [
      { project: "org/proj", run: "RUN-1", rows },
      { project: "org/proj", run: "RUN-2", rows: rows.slice(0, 2) },
    ],
    { cwd: home, args: [exports] },
  );
  const imported = await importAll(client, exports);
  const run = await client.getRun(
    [...imported.runs.values()].find(({ sourceId }) => sourceId === "RUN-1")?.runId ?? "",
  );
  const points = await pointsOf(client, run.runId);
  expect(points["loss"]).toEqual(expected((value) => value)["loss"]);
  expect(points["val/acc"]).toEqual([[1e9, -0.5, (T0 + 402) * 1e6]]);
  expect(points["half"]).toEqual([
    [0, 1, T0 * 1e6],
    [1, 2, T0 * 1e6],
  ]);
  expect(run).toMatchObject({
    name: "my run",
    state: RunState.RUN_STATE_FAILED,
    startedAtUs: T0 * 1e6,
    endedAtUs: (T0 + 402) * 1e6,
    params: { "params/lr": "0.001", "params/depth": "3", "params/deep": "false" },
  });
  expect(run.params["params/when"]).toBe(JSON.stringify(new Date(ms).toISOString()));
  expect(run.tags).toMatchObject({ "a tag": "", other: "", "pipekit.imported_id": "RUN-1" });
  expect(run.artifacts.map(({ name, files }) => [name, files[0]?.size])).toEqual([["model/file", 5]]);
  expect(imported.notes.join("\n")).toMatch(/2 steps have a part behind the point/);
  expect(imported.notes.join("\n")).toMatch(/1 values of type string_series are left out/);
  expect(imported.notes.join("\n")).toMatch(/gone of run RUN-1 is missing/);
  expect(imported.notes.join("\n")).toMatch(/is left out: it leads out of what is imported/);
  expect((await importAll(client, `neptune+export://${exports}`)).outcomes).toEqual([UNCHANGED, UNCHANGED]);
  const finer = await importAll(client, `neptune+export://${exports}?step_multiplier=1000`);
  const other = [...finer.runs.values()].find(({ sourceId }) => sourceId === "RUN-1")?.runId ?? run.runId;
  expect((await pointsOf(client, other))["half"]?.map(([step]) => step)).toEqual([500, 1500]);
  await expect(importAll(client, `neptune+export://${exports}?step_multiplier=x`)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
});
