/** Runs in a folder: what `wandb sync` brings to a server, and what becomes of them when things go wrong. */

import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  type AdapterMemo,
  type SinkFile,
  type SinkRecord,
  type SinkRun,
  SpecError,
} from "@pipekit/adapters/tracker";
import { wandbTracker } from "@pipekit/adapters/wandb";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { NO_CONTEXT } from "../contract/tracker-harness.ts";
import { newRun, type PointRecord, pointsFrom, START_US } from "../contract/tracker-records.ts";
import { FAKE_KEY, type FakeWandbRun, parseLine, shownRows, startFakeWandb } from "../support/fake-wandb.ts";
import { type PythonReader, startPythonReader } from "../support/python-reader.ts";
import { toolPath } from "../support/tools.ts";
import { OfflineRecords } from "./offline-records.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const never = new AbortController().signal;
const END = { state: "completed", reason: "", endedAtUs: START_US + 90_000_000 } as const;

let reader: PythonReader;
let base: string;
beforeAll(() => {
  reader = startPythonReader("test/wandb/offline_reader.py");
});
afterAll(() => reader.close());
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "pkx-wandb-offline-"));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const connect = () =>
  wandbTracker.connect(wandbTracker.parse(`wandb+offline://${base}?project=p&entity=team`), NO_CONTEXT);
const open = async (run: SinkRun, memo?: AdapterMemo) => {
  const adapter = connect();
  const opened = await adapter.open(run, memo, never);
  if (opened.status !== "ok") throw new Error(opened.reason);
  const folder = new URL(opened.remoteUrl).pathname;
  return { adapter, memo: opened.memo, folder, file: join(folder, `run-${run.runId}.wandb`) };
};
const read = async (file: string) => new OfflineRecords(await reader.ask({ file }));
const stepsOf = ({ history }: OfflineRecords) => history.map((row) => row["pipekit/step"]);
const steps = (count: number, first = 0) => Array.from({ length: count }, (_, index) => first + index);
const point = (key: string, step: number, value: number, at = step): PointRecord => {
  return { kind: "point", key, step, value, timeUs: START_US + at * 1_000_000 };
};

/** What keeps `wandb sync` from asking; old releases do not ask. */
const YES = execFileSync(toolPath("wandb"), ["sync", "--help"], { encoding: "utf8" }).includes("--yes")
  ? ["--yes"]
  : [];

/** Runs a program of the Python environment in `base`; throws with what it printed. */
async function run(program: readonly string[], env: Record<string, string>, stdin = ""): Promise<void> {
  const home = join(base, "home");
  mkdirSync(home, { recursive: true });
  const own = {
    HOME: home,
    WANDB_CACHE_DIR: home,
    WANDB_CONFIG_DIR: home,
    WANDB_DATA_DIR: home,
    WANDB_ERROR_REPORTING: "false",
  };
  const [command = "", ...args] = program;
  const child = spawn(toolPath(command), args, {
    cwd: base,
    env: { PATH: process.env["PATH"], ...own, ...env },
    timeout: 50_000,
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (printed += chunk));
  child.stdin.end(stdin);
  const code = await new Promise((done) => child.on("close", done));
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${printed.slice(-3000)}`);
}

/** What the real client brings of run folders to a server. */
async function sync(folders: readonly string[], again: readonly string[] = []) {
  const server = await startFakeWandb();
  try {
    await run(["wandb", "sync", ...YES, ...again, ...folders], {
      WANDB_BASE_URL: server.url,
      WANDB_API_KEY: FAKE_KEY,
    });
    const { runs, artifacts } = server;
    const texts = artifacts.flatMap((artifact) =>
      [...artifact.files].map(([path, bytes]) => [`${artifact.name}/${path}`, bytes?.toString()] as const),
    );
    return {
      runs: new Map([...runs.values()].map((one) => [one.name, one])),
      artifacts,
      texts: Object.fromEntries(texts),
    };
  } finally {
    await server.close();
  }
}

function fileOf(text: string, path = ""): SinkFile {
  const localPath = join(base, `source-${createHash("sha256").update(text).digest("hex").slice(0, 8)}`);
  writeFileSync(localPath, text);
  return {
    path,
    localPath,
    size: Buffer.byteLength(text),
    sha256: createHash("sha256").update(text).digest("hex"),
  };
}

const summaryOf = (one: FakeWandbRun | undefined) =>
  parseLine(one?.lines["wandb-summary.json"]?.at(-1) ?? "{}");
const rowsOf = (one: FakeWandbRun) =>
  shownRows(one).map((row) =>
    Object.fromEntries(Object.entries(row).filter(([key]) => !/^_(time|run)|^pipekit\//.test(key))),
  );

describe("wandb sync", () => {
  test("brings everything: config, lines, events, summary, tags, fields, artifacts, the end", async () => {
    const tags = { team: "red", notes: "a note", group: "sweep 1", job_type: "train" };
    const ours = { ...newRun(), configJson: '{"lr":0.1,"model":{"depth":3,"name":"007"}}', tags };
    const { adapter, folder, file } = await open(ours);
    await adapter.send(
      [
        { kind: "params", params: { lr: "0.1", "model.depth": "3", "model.name": "007" } },
        { kind: "tags", tags },
      ],
      never,
    );
    await adapter.send(
      [point("loss", 0, 1), point("acc", 0, Number.NaN), point("system/cpu", 0, 50), point("loss", 1, 0.5)],
      never,
    );
    await adapter.send(
      [point("acc", 1, 0.25), point("loss", 5, 0.1), point("loss", 5, 0.2), point("loss", 2, 7, 6)],
      never,
    );
    const artifacts: SinkRecord[] = [
      {
        kind: "artifact",
        name: "model",
        files: [fileOf("weights", "w.bin"), fileOf("", "sub/empty")],
        uri: "",
      },
      { kind: "artifact", name: "data", files: [], uri: "s3://bucket/data" },
    ];
    await adapter.send(
      [
        ...artifacts,
        { kind: "params", params: { "model.depth": "4", late: "[1]" } },
        point("system/cpu", 9, 51),
      ],
      never,
    );
    await adapter.finish({ ...END, state: "failed", reason: "ValueError: bad" }, never);
    expect(adapter.takeNotes()).toEqual([expect.stringContaining("do not always rise")]);

    const { runs, artifacts: stored, texts } = await sync([folder]);
    const run = runs.get(ours.runId);
    if (run === undefined) throw new Error("The run did not arrive.");
    expect(run).toMatchObject({
      entity: "team",
      project: "p",
      displayName: ours.name,
      notes: "a note",
      group: "sweep 1",
      jobType: "train",
    });
    expect(run).toMatchObject({ tags: ["team=red"], host: "host-a", state: "failed", exitCode: 1 });
    const { _wandb, ...config } = run.config;
    expect(config).toEqual({
      lr: { value: 0.1 },
      model: { value: { depth: 4, name: "007" } },
      late: { value: [1] },
      pipekit: { value: expect.objectContaining({ run_id: ours.runId, reason: "ValueError: bad", tags }) },
    });
    // Without it a server takes the run as not started.
    expect(_wandb?.value).toMatchObject({ t: expect.anything() });
    const { m: axes } = (_wandb?.value ?? { m: [] }) as { m: { 1: string; 5?: number }[] };
    // W&B's client writes them in any order; an axis is named by its place in the list, from 1.
    const named = axes.map((axis) => [axis[1], axis[5] === undefined ? "" : axes[axis[5] - 1]?.[1]]);
    expect(Object.fromEntries(named)).toEqual({
      "pipekit/step": "",
      loss: "pipekit/step",
      acc: "pipekit/step",
    });
    expect(
      shownRows(run).map(({ _step, "pipekit/step": step, loss, acc }) => [_step, step, loss, acc]),
    ).toEqual([
      [0, 0, 1, Number.NaN],
      [1, 1, 0.5, 0.25],
      [5, 5, 0.1, undefined],
      [6, 5, 0.2, undefined],
      [7, 2, 7, undefined],
    ]);
    expect(shownRows(run)[1]).toMatchObject({ _timestamp: START_US / 1e6 + 1, _runtime: 1 });
    expect(run.lines["wandb-events.jsonl"]?.map((line) => parseLine(line)["system.cpu"])).toEqual([50, 51]);
    expect(summaryOf(run)).toMatchObject({ loss: 7, acc: 0.25, _step: 7 });
    expect(stored.map(({ name, state }) => [name, state]).sort()).toEqual([
      ["data", "COMMITTED"],
      ["model", "COMMITTED"],
    ]);
    expect(texts).toEqual({ "model/w.bin": "weights", "model/sub/empty": "" });
    expect(stored.find(({ name }) => name === "data")?.manifest).toContain("s3://bucket/data");
    // The client took nothing away: the run can be brought to another server.
    expect((await read(file)).exitCode).toBe(1);
    expect(readdirSync(join(folder, "artifacts"))).toHaveLength(2);
  });

  test("shows the same of the same script, logged by W&B's own client and by us", async () => {
    const script = {
      ...{ entity: "team", project: "p", id: "theirs01", name: "a run", tags: ["team=red"], exit_code: 0 },
      config: { lr: 0.1, model: { depth: 3, layers: [1, 2] }, on: true, none: null, text: 'é\n"q"' },
      rows: [
        [0, { loss: "1.5", "val/acc": "0.25" }],
        [1, { loss: "1e-7" }],
        [1, { "val/acc": "1e300" }],
        [7, { loss: "NaN", odd: "-Infinity" }],
        [100, { loss: "-0.1", "a.b": "3" }],
      ] as [number, Record<string, string>][],
    };
    await run(["python", join(import.meta.dirname, "offline_script.py")], {}, JSON.stringify(script));
    const [theirs = ""] = readdirSync(join(base, "wandb")).filter((name) => name.startsWith("offline-run-"));
    const ours = {
      ...newRun(),
      name: script.name,
      configJson: JSON.stringify(script.config),
      tags: { team: "red" },
    };
    const { adapter, folder } = await open(ours);
    const points = script.rows.flatMap(([step, values]) =>
      Object.entries(values).map(([key, text]) => point(key, step, Number(text))),
    );
    for (const one of points) await adapter.send([one], never);
    await adapter.finish(END, never);
    const { runs } = await sync([join(base, "wandb", theirs), folder]);
    const [a, b] = [runs.get("theirs01"), runs.get(ours.runId)];
    if (a === undefined || b === undefined) throw new Error("A run did not arrive.");
    expect(rowsOf(b)).toEqual(rowsOf(a));
    const { _wandb: _, pipekit: __, ...config } = b.config;
    const { _wandb: ___, ...theirConfig } = a.config;
    expect(config).toEqual(theirConfig);
    const facts = (one: FakeWandbRun) => [
      one.displayName,
      one.tags,
      one.state,
      one.exitCode,
      one.entity,
      one.project,
    ];
    expect(facts(b)).toEqual(facts(a));
    const summary = (one: FakeWandbRun) => {
      const { _timestamp, _runtime, _wandb, ...values } = summaryOf(one);
      return values;
    };
    expect(summary(b)).toEqual({ ...summary(a), "pipekit/step": undefined });
  });

  test("of a run that goes on shows what is there, and after its end all of it", async () => {
    const ours = newRun();
    const { adapter, folder } = await open(ours);
    await adapter.send(pointsFrom(0, 10), never);
    const early = (await sync([folder])).runs.get(ours.runId);
    expect(early && shownRows(early).map((row) => row["pipekit/step"])).toEqual(steps(10));
    await adapter.send(pointsFrom(10, 5), never);
    await adapter.finish(END, never);
    const late = (await sync([folder], ["--include-synced"])).runs.get(ours.runId);
    expect(late && shownRows(late).map((row) => row["pipekit/step"])).toEqual(steps(15));
    expect(late?.state).toBe("finished");
  });
});

// Another release of the client would be mixed with the older one.
test.skipIf(process.env["PKX_TEST_TOOLS"])("an older client's DataStore reads the same records", async () => {
  const { adapter, file } = await open(newRun());
  const long = Array.from({ length: 400 }, (_, at) => point(`${"k".repeat(900)}${at}`, 1, at / 8));
  await adapter.send(
    [...pointsFrom(0, 500), ...long, { kind: "params", params: { long: "x".repeat(100_000) } }],
    never,
  );
  await adapter.finish(END, never);
  const older = startPythonReader("test/wandb/datastore_reader.py", [join(ROOT, ".tools/wandb-0.28")]);
  try {
    const records = await older.ask({ file });
    expect(records).toEqual(await reader.ask({ file }));
    expect(
      new OfflineRecords(records).history
        .flatMap((row) => Object.keys(row))
        .filter((key) => /^[lkm]/.test(key)),
    ).toHaveLength(900);
  } finally {
    await older.close();
  }
});

describe("a run in a folder", () => {
  const begun = async () => {
    const ours = newRun();
    const opened = await open(ours);
    await opened.adapter.send(pointsFrom(0, 10), never);
    return { ...opened, ours, memo: opened.adapter.takeMemo() as AdapterMemo };
  };

  test("is whole after a kill between any byte of a write and its memo", async () => {
    const was = await begun();
    const before = readFileSync(was.file);
    await was.adapter.send(pointsFrom(10, 20), never);
    const after = readFileSync(was.file);
    await was.adapter.close();
    for (let cut = Number(was.memo["bytes"]); cut <= after.length; cut += 97) {
      // What was there before, with the first bytes of the write over it.
      const torn = Buffer.concat([after.subarray(0, cut), before.subarray(cut)]);
      writeFileSync(was.file, torn);
      const { adapter } = await open(was.ours, was.memo);
      await adapter.send(pointsFrom(10, 3), never);
      await adapter.send(pointsFrom(13, 17), never);
      expect(adapter.takeNotes()).toEqual([]);
      expect(readFileSync(was.file).length).toBeGreaterThan(after.length - 1);
      if (cut % 3 === 0) expect(stepsOf(await read(was.file))).toEqual(steps(30));
      await adapter.close();
    }
    expect(stepsOf(await read(was.file))).toEqual(steps(30));
  });

  test("keeps params and tags over the daemon's lives, and says them once", async () => {
    const was = await begun();
    await was.adapter.send(
      [
        { kind: "params", params: { a: "1" } },
        { kind: "tags", tags: { stage: "dev" } },
      ],
      never,
    );
    const { adapter } = await open(was.ours, was.adapter.takeMemo());
    await adapter.send([{ kind: "params", params: { a: "1", b: "x" } }], never);
    await adapter.send([{ kind: "tags", tags: { stage: "live" } }], never);
    await adapter.finish({ ...END, state: "failed", reason: "killed" }, never);
    const records = await read(was.file);
    expect(records.config).toMatchObject({ a: "1", b: '"x"' });
    expect(JSON.parse(records.config["pipekit"] ?? "")).toMatchObject({
      tags: { stage: "live", team: "red" },
      reason: "killed",
    });
    expect(records.tags).toEqual(["team=red", "stage=live"]);
    expect(records.exitCode).toBe(255);
    expect(records.all.filter(({ config }) => config?.update.some(({ key }) => key === "a"))).toHaveLength(1);
  });

  test("gives every metric its axis, those before the first late step and a restart too", async () => {
    const ours = newRun();
    const first = await open(ours);
    await first.adapter.send([point("early", 1, 1), point("other", 2, 1)], never);
    const { adapter, file } = await open(ours, first.adapter.takeMemo());
    await adapter.send([point("late", 1, 1)], never);
    await adapter.send([point("late", 3, 1), point("new", 3, 1)], never);
    const axes = (await read(file)).all.flatMap(
      ({ metric }) => (metric as { name: string; step_metric?: string } | undefined) ?? [],
    );
    expect(axes.map(({ name, step_metric }) => [name, step_metric])).toEqual([
      ["pipekit/step", undefined],
      ...["early", "other", "late", "new"].map((name) => [name, "pipekit/step"]),
    ]);
  });

  test("whose file was removed, cut or emptied by someone else is named, and goes on", async () => {
    for (const meddle of [
      (file: string) => rmSync(file),
      (file: string) => truncateSync(file, statSync(file).size - 2500),
      (file: string) => truncateSync(file, 0),
    ]) {
      for (const isOpen of [true, false]) {
        const was = await begun();
        meddle(was.file);
        const { adapter } = isOpen ? was : await open(was.ours, was.memo);
        expect(await adapter.send(pointsFrom(10, 5), never)).toEqual({ status: "ok" });
        expect(adapter.takeNotes()).toEqual([
          expect.stringMatching(new RegExp(`Someone else (removed|cut) ${was.file}.*pkx sync`)),
        ]);
        const records = await read(was.file);
        expect(stepsOf(records).slice(-5)).toEqual(steps(5, 10));
        expect(new Set(stepsOf(records)).size).toBe(records.history.length);
        expect((await adapter.count(["loss", "metric/val acc"], never))?.points).toBe(records.history.length);
        await adapter.finish(END, never);
        expect((await read(was.file)).exitCode).toBe(0);
        await adapter.close();
      }
    }
  });

  test("written before by another daemon is written anew; with a memo of another version it goes on", async () => {
    const was = await begun();
    const salvaged = await open(was.ours, { of: "another version" });
    await salvaged.adapter.send(pointsFrom(10, 5), never);
    expect(stepsOf(await read(was.file))).toEqual(steps(15));
    expect(salvaged.adapter.takeNotes()).toEqual([
      expect.stringContaining("twice"),
      expect.stringContaining("do not always rise"),
    ]);
    const anew = await open(was.ours);
    await anew.adapter.send(pointsFrom(0, 3), never);
    expect(stepsOf(await read(was.file))).toEqual(steps(3));
    expect(anew.adapter.takeNotes()).toEqual([expect.stringContaining("earlier delivery")]);
  });

  test("copies an artifact's file once, whole, and does not hold on to the source", async () => {
    const was = await begun();
    const file = fileOf("weights".repeat(1000));
    const copy = join(was.folder, "artifacts", file.sha256);
    mkdirSync(join(was.folder, "artifacts"));
    // Left by a kill in the middle of a copy.
    writeFileSync(`${copy}.part`, "weig");
    await was.adapter.send([{ kind: "artifact", name: "model", files: [file], uri: "" }], never);
    writeFileSync(file.localPath, "overwritten");
    expect(readFileSync(copy, "utf8")).toBe("weights".repeat(1000));
    const lost: SinkRecord = {
      kind: "artifact",
      name: "model",
      files: [{ ...file, sha256: "0".repeat(64) }],
      uri: "",
    };
    expect(await was.adapter.send([lost], never)).toMatchObject({ status: "permanent", rejected: [0] });
    expect(readdirSync(join(was.folder, "artifacts"))).toEqual([file.sha256]);
    cpSync(was.folder, `${was.folder}-copy`, { recursive: true });
  });
});

test("a folder that is not absolute, leads elsewhere or holds control characters is refused", () => {
  for (const wrong of [
    "wandb+offline://runs?project=p",
    "wandb+offline:///a/../b?project=p",
    "wandb+offline:///a%00b?project=p",
    "wandb+offline:///?project=p",
    "wandb+offline:///a",
  ]) {
    expect(() => wandbTracker.parse(wrong), wrong).toThrow(SpecError);
  }
});
