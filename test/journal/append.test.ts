import { expect, test } from "vitest";
import { CURSOR_START } from "../../daemon/journal/index.ts";
import {
  artifact,
  end,
  frame,
  metrics,
  newId,
  outcome,
  params,
  start,
  startRun,
  stateFolder,
  tags,
  tempJournal,
} from "./fixture.ts";

test("a run is what its frames say, also after the journal was opened again", async () => {
  const folder = await stateFolder();
  const first = await tempJournal(folder);
  const { runId, writerId } = await startRun(first, { name: "a", tags: { team: "x", kind: "cnn" } });
  await first.append(
    frame(
      runId,
      writerId,
      2,
      params({ lr: 0.5, net: { depth: 3, act: "relu", sizes: [1, 2], none: {} } }),
      tags({ team: "y" }),
      artifact("plots/b.png"),
      artifact("a.txt"),
      metrics({ loss: [3, 1, 2] }),
    ),
    [],
  );
  await first.append(frame(runId, writerId, 3, params({ lr: 0.25 }), end("failed", "killed")), []);
  await first.close();
  const run = await (await tempJournal(folder)).run(runId);
  expect(run).toMatchObject({ runId, state: "failed", reason: "killed", points: 3, lastPosition: 3 });
  expect(run.start).toMatchObject({ name: "a", configJson: '{"lr":0.1}', pid: 7, tags: { team: "x" } });
  expect(run.tags).toEqual({ team: "y", kind: "cnn" });
  expect(run.params).toEqual({
    lr: "0.25",
    "net.depth": "3",
    "net.act": '"relu"',
    "net.sizes": "[1,2]",
    "net.none": "{}",
  });
  expect(run.artifacts.map(({ name }) => name)).toEqual(["plots/b.png", "a.txt"]);
  expect(run.artifacts[0]?.files[0]).toMatchObject({ size: 3 });
  expect(run.endedAtUs).toBe(1_700_000_001_000_000);
});

test("a frame seen before is a duplicate, a gap names what was expected, writers are independent", async () => {
  const journal = await tempJournal();
  const { runId, writerId } = await startRun(journal);
  const other = newId();
  const two = frame(runId, writerId, 2, metrics({ loss: [1] }));
  expect(await journal.append(two, [])).toBe("appended");
  expect(await journal.append(two, [])).toBe("duplicate");
  await expect(journal.append({ ...two, seq: 5 }, [])).rejects.toMatchObject({
    code: "INVALID_FRAME",
    field: "seq",
    message: expect.stringMatching(/seq 3 was expected and 5 came/),
  });
  expect(await journal.append({ ...two, writerId: other, seq: 1 }, [])).toBe("appended");
  expect(await journal.lastSeq(writerId)).toBe(2);
  expect(await journal.lastSeq(other)).toBe(1);
  expect(await journal.lastSeq(newId())).toBe(0);
  expect((await journal.run(runId)).points).toBe(2);
});

test("frames of one commit see each other, and one that fails takes none along", async () => {
  const journal = await tempJournal();
  const [runId, a, b, c] = [newId(), newId(), newId(), newId()];
  const outcomes = await Promise.all(
    [
      frame(runId, a, 1, start(), metrics({ loss: [1] })),
      frame(runId, a, 1, start(), metrics({ loss: [1] })),
      frame(runId, a, 3, metrics({ loss: [9] })),
      frame(runId, b, 1, start({ name: "another" })),
      frame(runId, c, 1, start(), metrics({ loss: [2] })),
      frame(runId, a, 2, metrics({ loss: [3] })),
      frame(newId(), a, 3, start()),
      frame(newId(), newId(), 1, metrics({ loss: [9] })),
      frame(runId, c, 2, end()),
      frame(runId, a, 3, metrics({ loss: [9] })),
      frame(runId, a, 3, end()),
      frame(runId, b, 1, end("failed")),
    ].map((one) => outcome(journal.append(one, []))),
  );
  expect(outcomes).toEqual([
    "appended",
    "duplicate",
    "INVALID_FRAME",
    "RUN_EXISTS",
    "appended",
    "appended",
    "INVALID_FRAME",
    "RUN_NOT_FOUND",
    "appended",
    "RUN_ENDED",
    "duplicate",
    "RUN_ENDED",
  ]);
  expect(await journal.run(runId)).toMatchObject({ state: "completed", points: 3, lastPosition: 4 });
  expect(await journal.totals()).toMatchObject({ frames: 4, points: 3, runs: 1, runsRunning: 0 });
});

test("frames that can stand in no journal are refused with the record at fault", async () => {
  const journal = await tempJournal();
  const { runId, writerId } = await startRun(journal);
  const bad = [
    [frame("", writerId, 2, tags({})), "run_id"],
    [frame(runId, "", 2, tags({})), "writer_id"],
    [frame(runId, writerId, 0, tags({})), "seq"],
    [frame(runId, writerId, 2.5, tags({})), "seq"],
    [frame(runId, writerId, 2, tags({}), start()), "records[1]"],
    [frame(runId, writerId, 2, end(), tags({})), "records[0]"],
    [frame(runId, writerId, 2, { record: undefined }), "records[0]"],
  ] as const;
  for (const [one, field] of bad) {
    await expect(journal.append(one, [])).rejects.toMatchObject({ code: "INVALID_FRAME", field });
  }
  const notJson = { record: { $case: "params" as const, value: { paramsJson: "[1]" } } };
  await expect(journal.append(frame(runId, writerId, 2, notJson), [])).rejects.toMatchObject({
    code: "INVALID_CONFIG",
  });
  expect(await journal.append(frame(runId, writerId, 2, tags({ a: "b" })), [])).toBe("appended");
});

test("a frame without records takes its seq and nothing else", async () => {
  const journal = await tempJournal();
  const { runId, writerId } = await startRun(journal);
  expect(await journal.append(frame(runId, writerId, 2), [])).toBe("appended");
  expect(await journal.append(frame(runId, writerId, 2), [])).toBe("duplicate");
  expect(await journal.append(frame(runId, writerId, 3, tags({ a: "b" })), [])).toBe("appended");
  expect(await journal.readRecords(runId, CURSOR_START, 100)).toHaveLength(2);
  expect(await outcome(journal.append(frame(newId(), newId(), 1), []))).toBe("RUN_NOT_FOUND");
});

test("summaries of series ignore NaN and add up over frames, writers and commits", async () => {
  const journal = await tempJournal();
  const { runId, writerId } = await startRun(journal);
  const nan = Number.NaN;
  const inOneCommit = [
    frame(runId, writerId, 2, metrics({ b: [nan, nan], a: [2, nan] }), metrics({ a: [-1] }, 10)),
    frame(runId, writerId, 3, metrics({ a: [5], inf: [Number.NEGATIVE_INFINITY] }, 20)),
    frame(runId, newId(), 1, metrics({ c: [nan, 4] }, -3)),
  ];
  await Promise.all(inOneCommit.map((one) => journal.append(one, [])));
  await journal.append(frame(runId, writerId, 4, metrics({ a: [nan], b: [nan], c: [0.5] }, 2 ** 40)), []);
  const row = (key: string, points: number, lastStep: number, lastValue: number, range: number[]) => {
    const [minValue, maxValue] = range;
    return { key, points, lastStep, lastValue, minValue, maxValue };
  };
  expect(await journal.series(runId)).toEqual([
    row("a", 5, 2 ** 40, nan, [-1, 5]),
    row("b", 3, 2 ** 40, nan, [nan, nan]),
    row("c", 3, 2 ** 40, 0.5, [0.5, 4]),
    row("inf", 1, 20, Number.NEGATIVE_INFINITY, [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]),
  ]);
  await expect(journal.series(newId())).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
});

test("listeners hear of frames, once a tick, not of sinks, and no more after they left", async () => {
  const journal = await tempJournal();
  const heard: string[][] = [];
  let next = Promise.withResolvers<void>();
  const stop = journal.onCommit((runIds) => {
    heard.push([...runIds]);
    next.resolve();
  });
  const a = await startRun(journal, {}, ["mlflow:x"]);
  await next.promise;
  expect(heard).toEqual([[a.runId]]);
  next = Promise.withResolvers();
  const [sink] = await journal.sinks(a.runId);
  if (sink === undefined) throw new Error("no sink");
  await journal.saveSink({ ...sink, pointsSent: 1 }, []);
  await journal.append(frame(a.runId, a.writerId, 2, tags({ a: "b" })), []);
  await next.promise;
  stop();
  await journal.append(frame(a.runId, a.writerId, 3, tags({ a: "c" })), []);
  await new Promise((resolve) => setImmediate(resolve));
  expect(heard).toEqual([[a.runId], [a.runId]]);
});
