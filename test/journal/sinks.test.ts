import { join } from "node:path";
import { Frame, type Record } from "@pipekit/proto";
import { expect, onTestFinished, test } from "vitest";
import { frameFacts } from "../../daemon/journal/facts.ts";
import {
  CURSOR_START,
  type DeadLetterQuery,
  type NewDeadLetter,
  type SinkEntry,
} from "../../daemon/journal/index.ts";
import { openForWriting } from "../../daemon/journal/schema.ts";
import { sinkReader } from "../../daemon/journal/sinks.ts";
import { GroupWriter } from "../../daemon/journal/writer.ts";
import { end, frame, metrics, newId, outcome, start, startRun, stateFolder, tempJournal } from "./fixture.ts";

test("a run's sinks are there from its start, and keep what delivery saves", async () => {
  const folder = await stateFolder();
  const first = await tempJournal(folder);
  const { runId, writerId } = await startRun(first, {}, ["mlflow:b", "mlflow:a", "mlflow:b"]);
  const fresh: SinkEntry = {
    runId,
    spec: "mlflow:a",
    cursor: CURSOR_START,
    state: "idle",
    pointsSent: 0,
    pointsDead: 0,
    lastError: "",
    retryAtUs: 0,
    remoteId: "",
    remoteUrl: "",
    pointsShown: -1,
    notes: [],
    memo: {},
  };
  const pendingSinceUs = expect.any(Number);
  const pending = [
    { ...fresh, pendingSinceUs },
    { ...fresh, spec: "mlflow:b", pendingSinceUs },
  ];
  expect(await first.sinks(runId)).toEqual(pending);
  const saved: SinkEntry = {
    ...fresh,
    cursor: { position: 3, offset: 2 },
    state: "retrying",
    pointsSent: 4,
    pointsDead: 1,
    lastError: "503",
    retryAtUs: 99,
    remoteId: "r",
    remoteUrl: "http://x",
    pointsShown: 3,
    notes: ["renamed"],
    memo: { experiment: "7", nested: { a: [1] } },
  };
  const letter: NewDeadLetter = {
    runId,
    spec: "mlflow:a",
    kind: "metrics",
    points: 1,
    reason: "no",
    from: { position: 1, offset: 2 },
    to: { position: 3, offset: 0 },
  };
  await Promise.all([
    first.append(frame(runId, writerId, 2, metrics({ loss: [1, 2, 3, 4, 5, 6, 7] })), []),
    first.saveSink(saved, [letter, { ...letter, kind: "params", points: 0 }]),
  ]);
  await first.close();
  const journal = await tempJournal(folder);
  expect(await journal.openSinks()).toEqual([{ ...saved, pendingSinceUs: 0 }, pending[1]]);
  const letters = await journal.deadLetters({ runId, limit: 10 });
  expect(letters).toMatchObject([
    { ...letter, id: 1 },
    { ...letter, kind: "params", points: 0, id: 2 },
  ]);
  expect(letters[0]?.atUs).toBeGreaterThan(1_700_000_000_000_000);
  expect(await journal.deadLetters({ limit: 1 })).toHaveLength(1);
  expect(await journal.totals()).toMatchObject({ deadLetters: 2, pointsPending: 7 - 5 + 7 });
  await journal.append(frame(runId, writerId, 3, end()), []);
  const { lastPosition } = await journal.run(runId);
  await journal.saveSink({ ...saved, state: "done", cursor: { position: lastPosition, offset: 0 } }, []);
  const refused = { ...fresh, spec: "mlflow:b", state: "refused" } as const;
  await journal.saveSink(refused, []);
  expect(await journal.openSinks()).toEqual([{ ...refused, pendingSinceUs }]);
  expect(await journal.totals()).toMatchObject({ pointsPending: 0 });
  await expect(journal.saveSink({ ...saved, runId: newId() }, [])).rejects.toMatchObject({
    code: "RUN_NOT_FOUND",
  });
  await expect(journal.sinks(newId())).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
});

test("a sink that is added starts at the start, and one that is there stays as it is", async () => {
  const journal = await tempJournal();
  const { runId, writerId } = await startRun(journal, {}, ["mlflow:a"]);
  await journal.append(frame(runId, writerId, 2, metrics({ a: [1, 2, 3] })), []);
  await journal.append(frame(runId, writerId, 3, end()), []);
  const [before] = await journal.sinks(runId);
  if (before === undefined) throw new Error("no sink");
  const done = { ...before, state: "done", cursor: { position: 3, offset: 0 }, pointsSent: 3 } as const;
  await journal.saveSink(done, []);
  const added = await journal.addSinks(runId, ["wandb:b", "mlflow:a", "wandb:b"]);
  expect(added).toMatchObject([
    { spec: "mlflow:a", state: "done", pointsSent: 3 },
    { spec: "wandb:b", state: "idle", cursor: CURSOR_START, pointsShown: -1 },
  ]);
  expect(await journal.totals()).toMatchObject({ pointsPending: 3 });
  expect(await journal.openSinks()).toMatchObject([{ spec: "wandb:b" }]);
  expect(await journal.addSinks(runId, ["wandb:b"])).toHaveLength(1);
  await expect(journal.addSinks(newId(), ["wandb:b"])).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
});

test("letters that were sent once more are forgotten, only the sink's own, and the total follows", async () => {
  const journal = await tempJournal();
  const one = await startRun(journal, {}, ["mlflow:a", "mlflow:b"]);
  const two = await startRun(journal, {}, ["mlflow:a"]);
  const letterOf = (runId: string, spec: string): NewDeadLetter => ({
    runId,
    spec,
    kind: "metrics",
    points: 1,
    reason: "no",
    from: CURSOR_START,
    to: { position: 1, offset: 0 },
  });
  const places = [
    [one.runId, "mlflow:a"],
    [one.runId, "mlflow:b"],
    [two.runId, "mlflow:a"],
    [one.runId, "mlflow:a"],
  ] as const;
  for (const [runId, spec] of places) {
    const sink = (await journal.sinks(runId)).find((each) => each.spec === spec);
    if (sink !== undefined) await journal.saveSink(sink, [letterOf(runId, spec)]);
  }
  const ids = async (query: Omit<DeadLetterQuery, "limit">, limit = 10) =>
    (await journal.deadLetters({ ...query, limit })).map(({ id }) => id);
  expect(await ids({})).toEqual([1, 2, 3, 4]);
  expect(await ids({ runId: one.runId })).toEqual([1, 2, 4]);
  expect(await ids({ runId: one.runId, spec: "mlflow:a", afterId: 1 })).toEqual([4]);
  expect(await ids({ spec: "mlflow:a" }, 2)).toEqual([1, 3]);
  expect(await ids({ ids: [4, 2, 99] })).toEqual([2, 4]);
  expect(await ids({ ids: [] })).toEqual([]);
  expect(await outcome(journal.deadLetters({ runId: newId(), limit: 1 }))).toBe("RUN_NOT_FOUND");
  const [sink] = await journal.sinks(one.runId);
  if (sink === undefined) throw new Error("no sink");
  await journal.saveSink(sink, [letterOf(one.runId, "mlflow:a")], [1, 2, 3, 77]);
  expect(await ids({})).toEqual([2, 3, 4, 5]);
  expect(await journal.totals()).toMatchObject({ deadLetters: 4 });
  await journal.saveSink(sink, [], [4, 5, 5, 1]);
  expect(await ids({})).toEqual([2, 3]);
  expect(await journal.totals()).toMatchObject({ deadLetters: 2 });
});

test("the sinks of many runs come with one question", async () => {
  const journal = await tempJournal();
  const one = await startRun(journal, {}, ["mlflow:a", "mlflow:b"]);
  const two = await startRun(journal);
  const unknown = newId();
  const sinks = await journal.sinksOf([one.runId, two.runId, unknown]);
  expect(sinks.get(one.runId)).toEqual(await journal.sinks(one.runId));
  expect(sinks.get(two.runId)).toEqual([]);
  expect(sinks.get(unknown)).toEqual([]);
  expect(await journal.sinksOf([])).toEqual(new Map());
});

test("pending since is when the first frame behind the cursor was journaled, also when the clock goes back", async () => {
  const file = join(await stateFolder(), "journal.db");
  const db = openForWriting(file);
  onTestFinished(() => db.close());
  let now = 9_000_000;
  const writer = new GroupWriter(db, file, () => now);
  const append = (seq: number, at: number, ...records: Record[]) => {
    now = at;
    const one = frame("r", "w", seq, ...records);
    const args = { facts: frameFacts(one), body: Frame.encode(one).finish(), sinks: ["mlflow:a"] };
    expect(writer.commit([{ id: seq, kind: "append", args }]).answers).toEqual([
      { id: seq, value: "appended" },
    ]);
  };
  append(1, 9_000_000, start());
  append(2, 5_000_000, metrics({ a: [1] }));
  append(3, 7_000_000, metrics({ a: [2] }));
  const sinks = sinkReader(db, file, "open = 1");
  const pendingAt = (position: number) => {
    const [sink] = sinks();
    if (sink === undefined) throw new Error("no sink");
    const moved = { ...sink, cursor: { position, offset: 0 } };
    writer.commit([{ id: 9, kind: "saveSink", args: { sink: moved, deadLetters: [], settled: [] } }]);
    return sinks()[0]?.pendingSinceUs;
  };
  expect([0, 1, 2, 3].map(pendingAt)).toEqual([9_000_000, 5_000_000, 7_000_000, 0]);
  const plan = db.prepare(
    "EXPLAIN QUERY PLAN SELECT at_us FROM frames WHERE run = 1 AND position > 2 ORDER BY position LIMIT 1",
  );
  expect(plan.all()).toMatchObject([{ detail: expect.stringContaining("COVERING INDEX frames_by_run") }]);
});
