import { expect, test } from "vitest";
import { CURSOR_START, type NewDeadLetter, type SinkEntry } from "../../daemon/journal/index.ts";
import { frame, metrics, newId, startRun, stateFolder, tempJournal } from "./fixture.ts";

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
  expect(await first.sinks(runId)).toEqual([fresh, { ...fresh, spec: "mlflow:b" }]);
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
  expect(await journal.openSinks()).toEqual([saved, { ...fresh, spec: "mlflow:b" }]);
  const letters = await journal.deadLetters({ runId, limit: 10 });
  expect(letters).toMatchObject([
    { ...letter, id: 1 },
    { ...letter, kind: "params", points: 0, id: 2 },
  ]);
  expect(letters[0]?.atUs).toBeGreaterThan(1_700_000_000_000_000);
  expect(await journal.deadLetters({ limit: 1 })).toHaveLength(1);
  expect(await journal.totals()).toMatchObject({ deadLetters: 2, pointsPending: 7 - 5 + 7 });
  await journal.saveSink({ ...saved, state: "done" }, []);
  const refused = { ...fresh, spec: "mlflow:b", state: "refused" } as const;
  await journal.saveSink(refused, []);
  expect(await journal.openSinks()).toEqual([refused]);
  expect(await journal.totals()).toMatchObject({ pointsPending: 0 });
  await expect(journal.saveSink({ ...saved, runId: newId() }, [])).rejects.toMatchObject({
    code: "RUN_NOT_FOUND",
  });
  await expect(journal.sinks(newId())).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
});
