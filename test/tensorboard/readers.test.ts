/** What TensorBoard's own code reads of what we write, also when someone meddles with the files. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { tensorboardTracker } from "@pipekit/adapters/tensorboard";
import { type AdapterMemo, type SinkRecord, type SinkRun, SpecError } from "@pipekit/adapters/tracker";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { NO_CONTEXT } from "../contract/tracker-harness.ts";
import { newRun, pointsFrom } from "../contract/tracker-records.ts";
import { type PythonReader, startPythonReader } from "../support/python-reader.ts";
import { toolPath } from "../support/tools.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const never = new AbortController().signal;
const END = { state: "completed", reason: "", endedAtUs: 1_760_000_100_000_000 } as const;

let reader: PythonReader;
let base: string;
beforeAll(() => {
  reader = startPythonReader("test/tensorboard/reader.py");
});
afterAll(() => reader.close());
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "pkx-tb-"));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

interface ReadRun {
  readonly scalars: [string, [number, number | string, number][]][];
  readonly texts: Record<string, [number, string][]>;
  readonly session: { params?: Record<string, unknown>; status?: string; started?: number; ended?: number };
  readonly version: number;
}
const connect = () =>
  tensorboardTracker.connect(tensorboardTracker.parse(`tensorboard://${base}`), NO_CONTEXT);
const read = async (folder: string) => (await reader.ask({ folder })) as ReadRun;
const open = async (run: SinkRun, memo?: AdapterMemo) => {
  const adapter = connect();
  const opened = await adapter.open(run, memo, never);
  if (opened.status !== "ok") throw new Error(opened.reason);
  return { adapter, memo: opened.memo, folder: join(base, opened.remoteId) };
};
const eventFiles = (folder: string) => readdirSync(folder).filter((name) => name.endsWith(".points"));
const stepsOf = ({ scalars }: ReadRun) =>
  scalars.flatMap(([, events]) => events.map(([step]) => step)).sort((a, b) => a - b);
const steps = (count: number, first = 0) => Array.from({ length: count }, (_, index) => first + index);

describe("TensorBoard's own code", () => {
  test("reads values as 32-bit floats, and what changes by that is noted", async () => {
    const { adapter, folder } = await open(newRun());
    const values = [0.1, 16_777_217, 1e300, 5e-324, Number.NaN, Number.NEGATIVE_INFINITY];
    await adapter.send(
      values.map((value, step) => ({ kind: "point", key: "v", step, value, timeUs: 0 })),
      never,
    );
    const { scalars, version } = await read(folder);
    expect(scalars[0]?.[1].map(([, value]) => value)).toEqual([
      Math.fround(0.1),
      16_777_216,
      "inf",
      0,
      "nan",
      "-inf",
    ]);
    expect(version).toBe(2);
    expect(adapter.takeNotes()).toEqual([expect.stringContaining("32-bit floats")]);
    expect(adapter.takeNotes()).toEqual([]);
  });

  test("goes on to read a run that is resumed, as one that is open does", async () => {
    const run = newRun();
    const { adapter, folder } = await open(run);
    await adapter.send(pointsFrom(0, 40), never);
    await adapter.finish({ ...END, state: "failed", reason: "lost" }, never);
    const memo = adapter.takeMemo();
    const live = async () => stepsOf((await reader.ask({ live: folder })) as ReadRun);
    expect(await live()).toEqual(steps(40));
    const { adapter: again } = await open({ ...run, resumed: true }, memo);
    await again.send(pointsFrom(40, 300), never);
    expect(await live()).toEqual(steps(340));
    await again.finish(END, never);
    const { session, texts } = await read(folder);
    expect(session.status).toBe("STATUS_SUCCESS");
    expect(Object.keys(texts)).not.toContain("pipekit/reason");
  });

  test("shows what torch's SummaryWriter shows of the same script", async () => {
    // Not a truth value, of which torch makes a number.
    const params = { lr: 0.1, depth: 3, name: "net" };
    const points = pointsFrom(0, 60);
    const theirs = join(base, "theirs");
    const rows = points.map(({ key, step, value, timeUs }) => [key, step, value, timeUs / 1e6]);
    const script = JSON.stringify({ params, points: rows });
    execFileSync(toolPath("python"), [join(ROOT, "test/tensorboard/with_torch.py"), theirs, script]);
    const { adapter, folder } = await open(newRun());
    const texts = Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)]));
    await adapter.send([{ kind: "params", params: texts }, ...points], never);
    await adapter.finish(END, never);
    const [ours, torch] = [await read(folder), await read(theirs)];
    expect(ours.scalars).toEqual(torch.scalars);
    expect(ours.session.params).toEqual(torch.session.params);
    expect(ours.session.status).toBe(torch.session.status);
    expect(ours.version).toBe(torch.version);
  });

  test("shows the runs of a folder as sessions of the hparams plugin, late params too", async () => {
    for (const [index, end] of [
      END,
      { ...END, state: "failed", reason: "ValueError: bad" } as const,
    ].entries()) {
      const { adapter, folder } = await open({ ...newRun(), name: "same name" });
      const records: SinkRecord[] = [
        {
          kind: "params",
          params: { lr: String(0.1 / (index + 1)), opt: "adam", amp: "true", version: "1.10" },
        },
        ...pointsFrom(0, 4),
        { kind: "params", params: { late: "7" } },
      ];
      await adapter.send(records, never);
      await adapter.finish(end, never);
      const { texts } = await read(folder);
      expect(texts["pipekit/reason"]).toEqual(end.reason === "" ? undefined : [[1, end.reason]]);
    }
    const shown = (await reader.ask({ hparams: base })) as {
      hparams: Record<string, string>;
      metrics: string[];
      groups: {
        name: string;
        hparams: Record<string, unknown>;
        metrics: Record<string, number>;
        status: string[];
      }[];
    };
    expect(shown.hparams).toEqual({
      ...{ lr: "DATA_TYPE_FLOAT64", late: "DATA_TYPE_FLOAT64" },
      ...{ opt: "DATA_TYPE_STRING", amp: "DATA_TYPE_BOOL", version: "DATA_TYPE_STRING" },
    });
    expect(shown.metrics).toEqual(["loss", "metric/val acc"]);
    expect(shown.groups.map(({ hparams }) => hparams["lr"]).sort()).toEqual([0.05, 0.1]);
    expect(shown.groups[0]?.hparams).toMatchObject({ opt: "adam", amp: true, version: "1.10", late: 7 });
    expect(shown.groups[0]?.metrics).toEqual({ loss: 0.25, "metric/val acc": 0.375 });
    expect(shown.groups.flatMap(({ status }) => status).sort()).toEqual(["STATUS_FAILURE", "STATUS_SUCCESS"]);
  });

  test("keeps one session of a run whose start and host are told later, as of a group by rank 0", async () => {
    const run = newRun();
    const { adapter } = await open(run);
    await adapter.send([{ kind: "params", params: { a: "1" } }], never);
    const memo = adapter.takeMemo();
    await adapter.close();
    const later = { ...run, startedAtUs: run.startedAtUs + 5_000_000, host: "rank-0" };
    const { adapter: again, folder } = await open(later, memo);
    await again.send([{ kind: "params", params: { lr: "0.1" } }], never);
    expect(again.takeNotes()).toEqual([]);
    expect(readdirSync(folder).filter((name) => name.endsWith(".hparams"))).toHaveLength(1);
    expect((await read(folder)).session.params).toMatchObject({ a: 1, lr: 0.1 });
  });

  test("shows labels, artifacts and the run's id as texts", async () => {
    const run = newRun();
    const { adapter, folder } = await open(run);
    await adapter.send([{ kind: "tags", tags: run.tags }], never);
    await adapter.send([{ kind: "tags", tags: { team: "blue" } }], never);
    const artifact: SinkRecord = { kind: "artifact", name: "data", files: [], uri: "s3://bucket/data" };
    await adapter.send(
      [artifact, { kind: "point", key: "pipekit/run_id", step: 0, value: 1, timeUs: 0 }],
      never,
    );
    const { texts, scalars } = await read(folder);
    expect(texts["pipekit/run_id"]).toEqual([[0, run.runId]]);
    expect(texts["pipekit/tags/team"]).toEqual([
      [0, "red"],
      [1, "blue"],
    ]);
    expect(texts["pipekit/artifacts/data"]?.[0]?.[1]).toContain("s3://bucket/data");
    expect(scalars.map(([tag]) => tag)).toEqual(["~pipekit/run_id"]);
    expect(adapter.takeNotes().join(" ")).toMatch(/no files.*~pipekit\/run_id/s);
    expect(await adapter.count(["pipekit/run_id"], never)).toMatchObject({ points: 1 });
  });

  test("finds two runs of one name in two folders, and a name of a path in one", async () => {
    const folders = [];
    for (const name of ["a/../b", "a/../b", "..", "", "\u0000\n", "x".repeat(300), "学习率=0.1"]) {
      const { adapter, folder } = await open({ ...newRun(), name });
      await adapter.send(pointsFrom(0, 2), never);
      folders.push(folder);
      expect(stepsOf(await read(folder))).toEqual([0, 1]);
    }
    expect(
      readdirSync(base)
        .map((name) => join(base, name))
        .sort(),
    ).toEqual(folders.sort());
  });
});

describe("when someone else meddles with the files", () => {
  /** A run with points 0..9 and its memo. */
  const begun = async () => {
    const run = newRun();
    const opened = await open(run);
    await opened.adapter.send(pointsFrom(0, 10), never);
    const [name = ""] = eventFiles(opened.folder);
    return {
      ...opened,
      run,
      memo: opened.adapter.takeMemo() as AdapterMemo,
      path: join(opened.folder, name),
    };
  };

  for (const when of ["while it is open", "between two lives of the daemon"]) {
    const goOn = async (was: Awaited<ReturnType<typeof begun>>) =>
      when === "while it is open" ? was.adapter : (await open(was.run, was.memo)).adapter;

    test(`a removed folder ${when} is named, and what follows goes to a new file`, async () => {
      const was = await begun();
      rmSync(was.folder, { recursive: true });
      const adapter = await goOn(was);
      expect(await adapter.send(pointsFrom(10, 5), never)).toEqual({ status: "ok" });
      expect(adapter.takeNotes()).toEqual([
        expect.stringMatching(new RegExp(`removed ${was.path}.*pkx sync ${was.run.runId}`)),
      ]);
      expect(stepsOf(await read(was.folder))).toEqual(steps(5, 10));
      const [name = ""] = eventFiles(was.folder);
      expect(join(was.folder, name) > was.path).toBe(true);
      expect((await adapter.count(["loss", "metric/val acc"], never))?.points).toBe(5);
    });

    test(`a cut file ${when} is named, and goes on behind what is whole`, async () => {
      const was = await begun();
      truncateSync(was.path, statSync(was.path).size - 60);
      const adapter = await goOn(was);
      expect(await adapter.send(pointsFrom(10, 5), never)).toEqual({ status: "ok" });
      expect(adapter.takeNotes()).toEqual([expect.stringContaining(`cut ${was.path}`)]);
      expect(stepsOf(await read(was.folder))).toEqual([...steps(8), ...steps(5, 10)]);
    });

    test(`an emptied file ${when} is named, and begins anew`, async () => {
      const was = await begun();
      truncateSync(was.path, 0);
      const adapter = await goOn(was);
      expect(await adapter.send(pointsFrom(10, 5), never)).toEqual({ status: "ok" });
      expect(stepsOf(await read(was.folder))).toEqual(steps(5, 10));
    });

    test(`a base folder that is gone ${when} is waited for, since a disk may not be mounted`, async () => {
      const was = await begun();
      renameSync(base, `${base}-away`);
      const adapter = when === "while it is open" ? was.adapter : connect();
      const again = () =>
        when === "while it is open"
          ? adapter.send(pointsFrom(10, 5), never)
          : adapter.open(was.run, was.memo, never);
      for (let tries = 0; tries < 2; tries++) {
        expect(await again()).toMatchObject({
          status: "retry",
          reason: expect.stringContaining(`${base}, where the run was written, is gone`),
        });
      }
      renameSync(`${base}-away`, base);
      expect(await again()).toMatchObject({ status: "ok" });
      if (when !== "while it is open") await adapter.send(pointsFrom(10, 5), never);
      expect(stepsOf(await read(was.folder))).toEqual(steps(15));
      expect(adapter.takeNotes()).toEqual([]);
    });
  }

  test("a loss is mended once, though the daemon dies before it knows", async () => {
    const was = await begun();
    rmSync(was.path);
    for (let life = 0; life < 3; life++) {
      const { adapter } = await open(was.run, was.memo);
      await adapter.send(pointsFrom(10, 5), never);
    }
    expect(stepsOf(await read(was.folder))).toEqual(steps(5, 10));
    expect(eventFiles(was.folder)).toHaveLength(1);
  });

  test("an earlier delivery of the run by another daemon is written anew, and named", async () => {
    const was = await begun();
    const { adapter } = await open(was.run);
    await adapter.send(pointsFrom(0, 3), never);
    expect(adapter.takeNotes()).toEqual([expect.stringContaining("earlier delivery")]);
    expect(stepsOf(await read(was.folder))).toEqual(steps(3));
  });

  test("a memo that cannot be read costs nothing that was taken", async () => {
    const was = await begun();
    const { adapter } = await open(was.run, { of: "another version" });
    await adapter.send(pointsFrom(10, 5), never);
    expect(stepsOf(await read(was.folder))).toEqual(steps(15));
    expect(adapter.takeNotes()).toEqual([expect.stringContaining("twice")]);
  });

  test("an earlier adapter of the run writes no more once there is a later one", async () => {
    const was = await begun();
    const { adapter } = await open(was.run, was.memo);
    expect(await was.adapter.send(pointsFrom(10, 5), never)).toMatchObject({ status: "retry" });
    await adapter.send(pointsFrom(10, 2), never);
    await was.adapter.close();
    await adapter.send(pointsFrom(12, 2), never);
    expect(stepsOf(await read(was.folder))).toEqual(steps(14));
  });

  test("a pipe, a link or a file in the way is told, and written to by nobody", async () => {
    const was = await begun();
    const precious = join(base, "precious");
    writeFileSync(precious, "precious");
    for (const put of [
      ["mkfifo", was.path],
      ["ln", "-s", precious, was.path],
      ["mkdir", was.path],
    ]) {
      rmSync(was.path, { recursive: true, force: true });
      execFileSync(put[0] ?? "", put.slice(1));
      const answer = await connect().open(was.run, { ...was.memo, bytes: 0 }, never);
      expect(answer, put[0]).toMatchObject({ status: "retry" });
    }
    expect(statSync(precious).size).toBe(8);
    const inTheWay = tensorboardTracker.connect(`tensorboard://${precious}/runs`, NO_CONTEXT);
    expect(await inTheWay.open(newRun(), undefined, never)).toMatchObject({
      status: "retry",
      reason: expect.stringContaining("a file where a folder should be"),
    });
  });
});

test("a spec names one absolute folder", () => {
  const { parse } = tensorboardTracker;
  for (const [spec, canonical] of [
    ["tensorboard:///a/b/", "tensorboard:///a/b"],
    ["TensorBoard:///a//b/./c", "tensorboard:///a/b/c"],
    ["tensorboard:///a b/%23/%3F/ü", "tensorboard:///a%20b/%23/%3F/%C3%BC"],
  ] as const) {
    expect(parse(spec)).toBe(canonical);
    expect(parse(canonical)).toBe(canonical);
  }
  for (const wrong of [
    ...[
      "tensorboard://runs/x",
      "tensorboard:runs",
      "tensorboard://",
      "tensorboard:///",
      "tensorboard:///a/../b",
    ],
    ...["tensorboard:///a%2F..%2Fb", "tensorboard:///a%00b", "tensorboard:///a#b", "tensorboard:///a?x=1"],
    ...["tensorboard:///%zz", `tensorboard:///${"a".repeat(4000)}`, "tensorboardx:///a"],
  ]) {
    expect(() => parse(wrong), wrong).toThrow(SpecError);
    try {
      parse(wrong);
    } catch (error) {
      expect((error as SpecError).mend, wrong).not.toBe("");
    }
  }
});
