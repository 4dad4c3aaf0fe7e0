import { execFileSync } from "node:child_process";
import { readdirSync, statfsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Frame } from "@pipekit/proto";
import { expect, onTestFinished, test } from "vitest";
import { Clearing } from "../../daemon/journal/clearing.ts";
import { frameFacts } from "../../daemon/journal/facts.ts";
import { openJournal, salvage, verify } from "../../daemon/journal/index.ts";
import { openForWriting } from "../../daemon/journal/schema.ts";
import { GroupWriter, type WriteCall } from "../../daemon/journal/writer.ts";
import {
  end,
  frame,
  metrics,
  newId,
  outcome,
  SILENT,
  start,
  startRun,
  stateFolder,
  tempJournal,
} from "./fixture.ts";
import { writeVersion1 } from "./version-1.ts";

/** An append as it reaches the writer's thread. */
function appendCall(id: number, one: Frame): WriteCall {
  return {
    id,
    kind: "append",
    args: { facts: frameFacts(one), body: Frame.encode(one).finish(), sinks: [] },
  };
}

async function tempWriter() {
  const file = join(await stateFolder(), "journal.db");
  const db = openForWriting(file);
  onTestFinished(() => db.close());
  return { db, writer: new GroupWriter(db, file) };
}

const LONG = Array.from({ length: 20_000 }, (_, i) => i);

test("a commit that finds no room fails as a whole, and goes through once there is room", async () => {
  const { db, writer } = await tempWriter();
  writer.commit([appendCall(1, frame("r", "w", 1, start()))]);
  const pages = Number(db.prepare("PRAGMA page_count").get()?.["page_count"]);
  const group = [
    appendCall(2, frame("r", "w", 2, metrics({ a: [1] }))),
    appendCall(3, frame("r", "w", 3, metrics({ a: LONG }))),
  ];
  db.exec(`PRAGMA max_page_count = ${pages + 3}`);
  const full = { code: "STORAGE_FULL", mend: expect.stringContaining("Free disk space") };
  expect(writer.commit(group)).toMatchObject({
    answers: [
      { id: 2, fault: full },
      { id: 3, fault: full },
    ],
    touched: [],
  });
  expect(db.prepare("SELECT points, last_position FROM runs").get()).toMatchObject({
    points: 0,
    last_position: 1,
  });
  db.exec("PRAGMA max_page_count = 100000");
  expect(writer.commit(group)).toEqual({
    answers: [
      { id: 2, value: "appended" },
      { id: 3, value: "appended" },
    ],
    touched: ["r"],
    group: expect.objectContaining({ frames: 2, points: 20_001 }),
  });
  expect(db.prepare("SELECT points FROM totals").get()).toMatchObject({ points: 20_001 });
  expect(db.prepare("SELECT points FROM series").get()).toMatchObject({ points: 20_001 });
});

test("a call that SQLite refuses fails alone", async () => {
  const { db, writer } = await tempWriter();
  const bad = appendCall(3, frame("r", "w", 3, metrics({ a: [3] })));
  if (bad.kind === "append") Reflect.set(bad.args, "body", null);
  const { answers, touched, group } = writer.commit([
    appendCall(1, frame("r", "w", 1, start())),
    appendCall(2, frame("r", "w", 2, metrics({ a: [2] }))),
    bad,
    appendCall(4, frame("r", "v", 1, metrics({ a: [4] }))),
  ]);
  expect(answers).toMatchObject([
    { id: 1, value: "appended" },
    { id: 2, value: "appended" },
    { id: 3, fault: { code: "INTERNAL" } },
    { id: 4, value: "appended" },
  ]);
  expect(touched).toEqual(["r"]);
  expect(group).toMatchObject({ frames: 3, points: 2 });
  expect(db.prepare("SELECT frames, points FROM totals").get()).toMatchObject({ frames: 3, points: 2 });
});

/** Mounts a file system of 4 MiB; undefined where this user may not. */
function mountSmall(folder: string): string | undefined {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], { stdio: "ignore" });
    return folder;
  } catch {
    return undefined;
  }
}

test("on a full disk appends are STORAGE_FULL, what was acknowledged stays, and space brings them back", async ({
  skip,
}) => {
  const folder = mountSmall(await stateFolder());
  if (folder === undefined) return skip("This user may not mount a file system.");
  onTestFinished(() => void execFileSync("umount", ["-l", folder]));
  const filler = join(folder, "filler");
  await writeFile(filler, Buffer.alloc(1024 * 1024));
  const journal = await tempJournal(folder);
  const { runId, writerId } = await startRun(journal);
  let seq = 2;
  let last: unknown;
  for (; seq < 100; seq++) {
    last = await outcome(journal.append(frame(runId, writerId, seq, metrics({ a: LONG })), []));
    if (last !== "appended") break;
  }
  expect(last).toBe("STORAGE_FULL");
  expect(await journal.run(runId)).toMatchObject({ points: (seq - 2) * LONG.length });
  expect(await journal.lastSeq(writerId)).toBe(seq - 1);
  await rm(filler);
  expect(await journal.append(frame(runId, writerId, seq, metrics({ a: [7] })), [])).toBe("appended");
  const kept: number[] = [];
  for await (const { values } of journal.readMetrics({ runId, keys: [], maxPoints: 0 })) kept.push(...values);
  expect(kept).toHaveLength((seq - 2) * LONG.length + 1);
  expect(kept.at(-1)).toBe(7);
});

test("adding sinks and pruning that find no room change nothing, and go through once there is room", async () => {
  const { db, writer } = await tempWriter();
  const specs = Array.from({ length: 400 }, (_, i) => `mlflow:${"x".repeat(100)}${i}`);
  writer.commit([appendCall(1, frame("r", "w", 1, start()))]);
  writer.commit([appendCall(2, frame("r", "w", 2, metrics({ a: LONG })))]);
  writer.commit([appendCall(3, frame("r", "w", 3, end()))]);
  const addSinks: WriteCall = { id: 4, kind: "addSinks", args: { runId: "r", specs } };
  const pages = Number(db.prepare("PRAGMA page_count").get()?.["page_count"]);
  db.exec(`PRAGMA max_page_count = ${pages}`);
  expect(writer.commit([addSinks])).toMatchObject({ answers: [{ id: 4, fault: { code: "STORAGE_FULL" } }] });
  expect(db.prepare("SELECT count(*) AS n FROM sinks").get()).toEqual({ n: 0 });
  expect(writer.commit([{ id: 5, kind: "prune", args: "r" }])).toMatchObject({
    answers: [{ id: 5, value: null }],
  });
  const clearing = new Clearing(db, "journal.db");
  for (let slices = 0; clearing.slice(); slices++) expect(slices).toBeLessThan(1000);
  expect(db.prepare("SELECT frames FROM totals").get()).toMatchObject({ frames: 0 });
  expect(Number(db.prepare("PRAGMA page_count").get()?.["page_count"])).toBeLessThan(pages);
});

/** Bytes of one file that fills what is left of a small file system, but for `left`. */
async function fill(folder: string, left: number): Promise<string> {
  const filler = join(folder, "filler");
  const free = statfsSync(folder);
  await writeFile(filler, Buffer.alloc(Math.max(0, free.bavail * free.bsize - left)));
  return filler;
}

test("on a full disk prune, addSinks, migration and salvage are STORAGE_FULL, and what was there is there", async ({
  skip,
}) => {
  const folder = mountSmall(await stateFolder());
  if (folder === undefined) return skip("This user may not mount a file system.");
  onTestFinished(() => void execFileSync("umount", ["-l", folder]));
  const file = join(folder, "journal.db");
  const [runId, writerId] = [newId(), newId()];
  writeVersion1(file, runId, writerId, [[start()], [metrics({ a: LONG })], [metrics({ b: LONG })]]);
  let filler = await fill(folder, 40 * 1024);
  expect(await outcome(openJournal({ stateFolder: folder, log: SILENT }))).toBe("STORAGE_FULL");
  expect(await outcome(salvage(file, join(folder, "into.db")))).toBe("STORAGE_FULL");
  expect(readdirSync(folder).filter((name) => name.startsWith("into"))).toEqual([]);
  await rm(filler);
  const first = await tempJournal(folder);
  expect(await first.run(runId)).toMatchObject({ points: 40_000, state: "running" });
  await first.append(frame(runId, writerId, 4, end()), []);
  const [sink] = await first.sinks(runId);
  if (sink === undefined) throw new Error("no sink");
  const done = { ...sink, state: "done", cursor: { position: 4, offset: 0 }, pointsSent: 40_000 } as const;
  await first.saveSink(done, [], [1]);
  filler = await fill(folder, 0);
  expect(await outcome(first.addSinks(runId, ["mlflow:b"]))).toBe("STORAGE_FULL");
  expect(await outcome(first.prune(runId))).toBe("STORAGE_FULL");
  expect(await first.sinks(runId)).toHaveLength(1);
  expect(await first.run(runId)).toMatchObject({ points: 40_000, prunedAtUs: 0 });
  await rm(filler);
  expect(await outcome(first.prune(runId))).toBe(undefined);
  await first.close();
  expect(await verify(file)).toMatchObject({ faults: [], points: 40_000 });
});
