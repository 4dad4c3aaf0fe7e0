import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { type Journal, openJournal, salvage, verify } from "../../daemon/journal/index.ts";
import { rowOfSink } from "../../daemon/journal/sinks.ts";
import {
  end,
  frame,
  metrics,
  newId,
  outcome,
  resume,
  SILENT,
  startRun,
  stateFolder,
  tags,
  tempJournal,
} from "./fixture.ts";

const SPEC = "mlflow:a";

/** A run that has ended, with a sink that is done. */
async function endedRun(journal: Journal) {
  const { runId, writerId } = await startRun(journal, {}, [SPEC]);
  await journal.append(frame(runId, writerId, 2, metrics({ a: [1, 2] })), []);
  await journal.append(frame(runId, writerId, 3, end("failed", "killed")), []);
  return { runId, writerId, done: await doneSink(journal, runId) };
}

/** Saves that the sink has all; returns it as it was saved. */
async function doneSink(journal: Journal, runId: string) {
  const [sink] = await journal.sinks(runId);
  if (sink === undefined) throw new Error("no sink");
  const { pendingSinceUs: _, ...entry } = sink;
  const { points, lastPosition } = await journal.run(runId);
  const cursor = { position: lastPosition, offset: 0 };
  const known = { remoteId: "r", memo: { lines: 7 }, pointsShown: points, pointsSent: points };
  const done = { ...entry, ...known, cursor, state: "done" as const };
  expect(await journal.saveSink(done, [])).toBe("done");
  return done;
}

test("a resumed run is running again, and its sink is open where it stood; then it ends again", async () => {
  const folder = await stateFolder();
  const journal = await openJournal({ stateFolder: folder, log: SILENT });
  const { runId, done } = await endedRun(journal);
  const other = newId();
  const told: string[] = [];
  journal.onResume((runIds) => told.push(...[...runIds].map((id) => `resumed ${id}`)));
  const committed = new Promise<void>((resolve) => {
    journal.onCommit((runIds) => {
      told.push(...[...runIds].map((id) => `committed ${id}`));
      resolve();
    });
  });
  expect(await outcome(journal.append(frame(runId, other, 1, metrics({ a: [3] })), []))).toBe("RUN_ENDED");
  expect(await journal.append(frame(runId, other, 1, resume(), metrics({ a: [3] })), [])).toBe("appended");
  await committed;
  expect(told).toEqual([`resumed ${runId}`, `committed ${runId}`]);
  expect(await journal.append(frame(runId, other, 1, resume(), metrics({ a: [3] })), [])).toBe("duplicate");
  const again = { state: "running", reason: "", endedAtUs: 0, points: 3 };
  const by = { pid: 8, host: "here", writerId: other };
  expect(await journal.run(runId)).toMatchObject({ ...again, resume: by, start: { pid: 7 } });
  const open = { ...done, state: "idle", pointsShown: -1 };
  await journal.close();

  const later = await tempJournal(folder);
  expect(await later.openSinks()).toMatchObject([open]);
  expect(await later.totals()).toMatchObject({ runsRunning: 1, pointsPending: 1 });
  expect(await outcome(later.prune(runId))).toBe("INVALID_ARGUMENT");
  expect(await later.prunable({ endedBeforeUs: Number.POSITIVE_INFINITY, runIds: [] })).toEqual([]);
  expect(await later.append(frame(runId, other, 2, end()), [])).toBe("appended");
  expect(await later.run(runId)).toMatchObject({ state: "completed", points: 3 });
  expect(await later.totals()).toMatchObject({ runsRunning: 0 });
  await doneSink(later, runId);
  expect(await later.prune(runId)).toBeUndefined();
  const late = later.append(frame(runId, newId(), 1, resume()), []);
  expect(await outcome(late)).toBe("RUN_PRUNED");
  await later.close();
  expect(await verify(join(folder, "journal.db"))).toMatchObject({ faults: [] });
});

test("a sink that says that it is done, and does not know of the resume, stays open", async () => {
  const journal = await tempJournal();
  const { runId, done } = await endedRun(journal);
  const other = newId();
  // One commit: the position of the frame before stands in no row yet.
  const [, saved] = await Promise.all([
    journal.append(frame(runId, other, 1, resume(), tags({ t: "1" }), end()), []),
    journal.saveSink(done, []),
  ]);
  expect(saved).toBe("idle");
  expect(await journal.sinks(runId)).toMatchObject([{ state: "idle", cursor: done.cursor, memo: done.memo }]);
  const [second] = await Promise.all([
    journal.saveSink({ ...done, cursor: { position: 4, offset: 0 } }, []),
    journal.append(frame(runId, newId(), 1, resume()), []),
  ]);
  expect(second).toBe("done");
  expect(await journal.sinks(runId)).toMatchObject([{ state: "idle", cursor: { position: 4 } }]);
});

test("what is damaged of a resume is found, and salvage leaves no sink done that has more to take", async () => {
  const folder = await stateFolder();
  const file = join(folder, "journal.db");
  const journal = await tempJournal(folder);
  const { runId, done } = await endedRun(journal);
  await journal.append(frame(runId, newId(), 1, resume()), []);
  expect(await journal.saveSink({ ...done, cursor: { position: 9, offset: 0 } }, [])).toBe("idle");
  await journal.close();
  const db = new DatabaseSync(file);
  db.prepare("INSERT OR REPLACE INTO sinks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)").run(...rowOfSink(1, done));
  db.exec("UPDATE runs SET resume = ''");
  db.close();
  const faults = [expect.stringContaining("resume of run")];
  expect(await verify(file)).toMatchObject({ faults });
  const into = await stateFolder();
  await salvage(file, join(into, "journal.db"));
  expect(await verify(join(into, "journal.db"))).toMatchObject({ faults: [] });
  const salvaged = await tempJournal(into);
  expect(await salvaged.run(runId)).toMatchObject({ state: "running", resume: { pid: 8 } });
  expect(await salvaged.openSinks()).toMatchObject([{ state: "idle", cursor: done.cursor }]);
});

test("an end that an older writer had on its way ends nothing", async () => {
  const folder = await stateFolder();
  const journal = await tempJournal(folder);
  const { runId, writerId } = await startRun(journal);
  const other = newId();
  await journal.append(frame(runId, other, 1, resume()), []);
  expect(await journal.append(frame(runId, writerId, 2, metrics({ a: [1] }), end()), [])).toBe("appended");
  expect(await journal.run(runId)).toMatchObject({ state: "running", points: 1 });
  expect(await journal.append(frame(runId, other, 2, metrics({ a: [2] })), [])).toBe("appended");
  expect(await journal.append(frame(runId, other, 3, end("failed", "mine")), [])).toBe("appended");
  expect(await journal.run(runId)).toMatchObject({ state: "failed", reason: "mine", points: 2 });
  await journal.close();
  expect(await verify(join(folder, "journal.db"))).toMatchObject({ faults: [] });
});

test("an end that is meant for a silent run is not written when a frame comes first", async () => {
  const journal = await tempJournal();
  const { runId } = await startRun(journal);
  const { lastPosition } = await journal.run(runId);
  const [, late] = await Promise.all([
    journal.append(frame(runId, newId(), 1, resume()), []),
    journal.append(frame(runId, newId(), 1, end("failed", "killed")), [], lastPosition),
  ]);
  expect(late).toBe("overtaken");
  expect(await journal.run(runId)).toMatchObject({ state: "running" });
  const now = await journal.run(runId);
  expect(await journal.append(frame(runId, newId(), 1, end()), [], now.lastPosition)).toBe("appended");
});

test("a resume record stands first, and needs a run", async () => {
  const journal = await tempJournal();
  const { runId, writerId } = await startRun(journal);
  const behind = frame(runId, writerId, 2, tags({ t: "1" }), resume());
  expect(await outcome(journal.append(behind, []))).toBe("INVALID_FRAME");
  expect(await outcome(journal.append(frame(newId(), newId(), 1, resume()), []))).toBe("RUN_NOT_FOUND");
});

test("a journal of version 2 is brought to the present version, and its runs can be resumed", async () => {
  const folder = await stateFolder();
  const file = join(folder, "journal.db");
  const before = await openJournal({ stateFolder: folder, log: SILENT });
  const { runId } = await endedRun(before);
  await before.close();
  const db = new DatabaseSync(file);
  db.exec("ALTER TABLE runs DROP COLUMN group_id; ALTER TABLE writers DROP COLUMN at_us; DROP TABLE members");
  db.exec("ALTER TABLE runs DROP COLUMN resume; PRAGMA user_version = 2");
  db.close();
  const journal = await tempJournal(folder);
  expect((await journal.run(runId)).resume).toBeUndefined();
  expect(await journal.append(frame(runId, newId(), 1, resume()), [])).toBe("appended");
  await journal.close();
  expect(await verify(file)).toMatchObject({ faults: [] });
});
