/** Runs that real MLflow keeps: in SQLite, at a server over the same store, and in files. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect, RunState } from "@pipekit/experiment";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { type MlflowServer, startMlflowServer } from "../support/mlflow-server.ts";
import { pkx } from "../support/terminal.ts";
import { GROWN, importAll, NEW, pointsOf, python, UNCHANGED } from "./support.ts";

const T0 = 1_700_000_000_000;
const LONG = Array.from({ length: 20_500 }, (_, i) => ["long", i, String(i / 8), T0 + i] as const);
const RUNS = [
  {
    name: "first",
    params: { lr: "0.001", "net/depth": "3", "a b": "\u00e9\u4e2d" },
    tags: { team: "eo" },
    rows: [
      ["loss", 0, "0.5", T0],
      // Steps that repeat and fall, and what is no number.
      ["loss", 1, "nan", T0 + 1000],
      ["loss", 1, "inf", T0 + 2000],
      ["loss", 0, "-inf", T0 + 3000],
      ["val/acc", -5, "0.25", T0 + 2000],
      ...LONG,
    ],
    files: { "plots/a.txt": "hi", "b.txt": "x" },
    status: "FINISHED",
  },
  { name: "child", rows: [["loss", 0, "1", T0 + 3000]], status: "FAILED", parent: 0 },
  { name: "killed", rows: [["loss", 0, "1", T0 + 3500]], status: "KILLED" },
  { name: "growing", rows: [["loss", 0, "1", T0 + 4000]], status: null },
  { name: "deleted", rows: [], status: "FINISHED", deleted: true },
];

let home: string;
let daemon: TestDaemon;
let client: Client;
let server: MlflowServer;
let ids: { sqlite: string[]; files: string[] };
let database: string;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "pkx-imp-"));
  database = join(home, "mlflow.db");
  const [logged] = await Promise.all([
    python(
      "mlflow_runs.py",
      { stores: [`sqlite:///${database}`, join(home, "mlruns")], experiment: "vision/1", runs: RUNS },
      { cwd: home },
    ),
    startDaemon().then((started) => {
      daemon = started;
    }),
  ]);
  const [sqlite = [], files = []] = JSON.parse(logged) as string[][];
  ids = { sqlite, files };
  client = await connect({ endpoint: daemon.endpoint });
  server = await startMlflowServer({ folder: home });
});
afterAll(async () => {
  client?.close();
  await Promise.all([daemon?.stop(), server?.stop()]);
  rmSync(home, { recursive: true, force: true });
});

/** The points as MLflow was told them; a store in SQL keeps infinities as the largest doubles. */
function expected(name: string, infinity: number, inTimesOrder: boolean) {
  const special: Record<string, number> = { nan: Number.NaN, inf: infinity, "-inf": -infinity };
  const points: Record<string, [number, number, number][]> = {};
  for (const [key, step, value, ms] of RUNS.find((run) => run.name === name)?.rows ?? []) {
    points[key as string] ??= [];
    points[key as string]?.push([
      step as number,
      special[value as string] ?? Number(value),
      (ms as number) * 1000,
    ]);
  }
  if (inTimesOrder) for (const series of Object.values(points)) series.sort((a, b) => a[2] - b[2]);
  return points;
}

describe("an MLflow store", () => {
  test("in SQLite: every point, params, tags, times, ends and files; deleted runs are left out", async () => {
    const imported = await importAll(client, `sqlite:///${database}`);
    expect([...imported.runs.keys()].sort()).toEqual(["child", "first", "growing", "killed"]);
    expect(new Set(imported.outcomes)).toEqual(new Set([NEW]));
    expect(imported.pointsTaken).toBe(LONG.length + 8);
    expect(imported.notes).toEqual([
      "One run that was deleted in MLflow is left out.",
      "1 runs have not ended there: import again later for the rest.",
    ]);
    const id = imported.runs.get("first")?.runId ?? "";
    expect(await pointsOf(client, id)).toEqual(expected("first", Number.MAX_VALUE, false));
    const run = await client.getRun(id);
    expect(run).toMatchObject({
      name: "first",
      state: RunState.RUN_STATE_COMPLETED,
      startedAtUs: T0 * 1000,
      endedAtUs: (T0 + 60_000) * 1000,
      params: { lr: '"0.001"', "net/depth": '"3"', "a b": '"\u00e9\u4e2d"' },
      pid: 0,
    });
    expect(run.tags).toMatchObject({
      team: "eo",
      "mlflow.experimentName": "vision/1",
      "pipekit.imported_id": ids.sqlite[0],
      "pipekit.imported_from": `mlflow ${database}`,
    });
    expect(
      run.artifacts.map(({ name, files }) => [name, files.map(({ path, size }) => [path, size])]),
    ).toEqual([
      ["b.txt", [["", 1]]],
      ["plots", [["a.txt", 2]]],
    ]);
    const child = await client.getRun(imported.runs.get("child")?.runId ?? "");
    expect(child).toMatchObject({ state: RunState.RUN_STATE_FAILED, reason: "" });
    expect(child.tags["mlflow.parentRunId"]).toBe(ids.sqlite[0]);
    const killed = await client.getRun(imported.runs.get("killed")?.runId ?? "");
    expect(killed).toMatchObject({ state: RunState.RUN_STATE_FAILED, reason: "killed" });
    const growing = await client.getRun(imported.runs.get("growing")?.runId ?? "");
    expect(growing.state).toBe(RunState.RUN_STATE_RUNNING);
  });

  test("at a server: the same runs have the same ids, so that nothing is doubled; files stay there", async () => {
    const again = await importAll(client, `mlflow+http://${server.host}/vision%2F1`);
    expect([...again.runs.values()].map(({ sourceId }) => sourceId).sort()).toEqual(
      ids.sqlite.slice(0, 4).sort(),
    );
    expect(again.pointsTaken).toBe(0);
    const fresh = await startDaemon();
    const other = await connect({ endpoint: fresh.endpoint });
    try {
      const imported = await importAll(other, `mlflow+http://${server.host}`, { only: ["first", "nobody"] });
      expect(imported.notes).toEqual(["No run there has the name or id `nobody`."]);
      const id = imported.runs.get("first")?.runId ?? "";
      expect(await pointsOf(other, id)).toEqual(expected("first", Number.MAX_VALUE, true));
      const run = await other.getRun(id);
      expect(run.artifacts).toMatchObject([{ name: "mlflow-artifacts", files: [] }]);
      expect(run.tags["pipekit.imported_from"]).toMatch(
        new RegExp(`^mlflow ${server.url}/#/experiments/\\d+/runs/`),
      );
    } finally {
      other.close();
      await fresh.stop();
    }
  });

  test("that grows: what is new is taken, an end too, and one that goes on behind its end", async () => {
    const source = `sqlite:///${database}`;
    const id = ids.sqlite[3] ?? "";
    const log = (input: object) => python("mlflow_runs.py", { stores: [source], ...input }, { cwd: home });
    // A point of an earlier time comes late.
    const late = [
      ["loss", 1, "2", T0 + 5000],
      ["loss", 7, "7", T0 + 3900],
      ["new", 0, "3", T0],
    ];
    await log({ append: { [id]: late }, end: { [id]: "FINISHED" } });
    const grown = await importAll(client, source);
    const here = grown.runs.get("growing")?.runId ?? "";
    expect(grown.runs.get("growing")).toMatchObject({ outcome: GROWN, pointsTaken: 3 });
    expect(grown.outcomes.filter((outcome) => outcome === UNCHANGED)).toHaveLength(3);
    expect(await client.getRun(here)).toMatchObject({ state: RunState.RUN_STATE_COMPLETED, points: 4 });
    await log({ append: { [id]: [["loss", 3, "5", T0 + 7000]] } });
    const resumed = await importAll(client, `mlflow+http://${server.host}`);
    expect(resumed.runs.get("growing")).toMatchObject({ outcome: GROWN, pointsTaken: 1 });
    expect(await client.getRun(here)).toMatchObject({ state: RunState.RUN_STATE_COMPLETED, points: 5 });
    expect((await importAll(client, source)).pointsTaken).toBe(0);
  });

  test("in files, through the command: a dry run changes nothing", async () => {
    const command = async (...args: string[]) => {
      const { out } = await pkx(["import", join(home, "mlruns"), ...args], { env: daemon.clientEnv });
      return out;
    };
    const dry = await command("--dry-run");
    expect(dry).toMatch(/^01HF7Y\w{20} {2}new {2}\w{32} \(first\)$/m);
    expect(dry).toContain("4 runs: 4 new, 0 perhaps grown, 0 here, 0 left out.");
    await expect(client.getRun(/^(\S+) .*\(first\)$/m.exec(dry)?.[1] ?? "")).rejects.toMatchObject({
      code: "RUN_NOT_FOUND",
    });
    const lines = (await command("--json"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject({ done: true, pointsTaken: LONG.length + 8 });
    const imported = await importAll(client, join(home, "mlruns"));
    const id = imported.runs.get("first")?.runId ?? "";
    expect(imported.runs.get("first")?.outcome).toBe(UNCHANGED);
    expect(await pointsOf(client, id)).toEqual(expected("first", Number.POSITIVE_INFINITY, false));
    const run = await client.getRun(id);
    expect(run.artifacts.map(({ name }) => name)).toEqual(["b.txt", "plots"]);
    expect(run.tags["pipekit.imported_id"]).toBe(ids.files[0]);
  });

  test("that is none, or cannot be reached, is a typed failure", async () => {
    await expect(importAll(client, join(home, "nothing"))).rejects.toMatchObject({
      code: "SOURCE_UNREADABLE",
    });
    await expect(importAll(client, "mlflow+http://127.0.0.1:9")).rejects.toMatchObject({
      code: "SOURCE_UNREADABLE",
    });
    await expect(importAll(client, `mlflow+http://${server.host}/none`)).rejects.toMatchObject({
      code: "SOURCE_UNREADABLE",
      message: expect.stringContaining("`none`"),
    });
    await expect(importAll(client, "sqlite:////etc/passwd")).rejects.toMatchObject({
      code: "SOURCE_UNREADABLE",
    });
    await expect(importAll(client, "ftp://x")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(importAll(client, "mlflow://u:secret@h/x")).rejects.toSatisfy(
      (error) => error instanceof Error && !String(error).includes("secret"),
    );
  });
});
