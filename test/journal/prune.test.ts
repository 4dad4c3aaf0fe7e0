import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { CURSOR_START, type Journal, openJournal, verify } from "../../daemon/journal/index.ts";
import {
  artifact,
  end,
  frame,
  metrics,
  newId,
  outcome,
  params,
  SILENT,
  startRun,
  stateFolder,
  tags,
  tempJournal,
} from "./fixture.ts";

const LONG = Array.from({ length: 5000 }, (_, i) => i);

/** An ended run with `frames` frames of 5000 points, and its sink done. */
async function endedRun(journal: Journal, frames = 3, specs: readonly string[] = ["mlflow:a"]) {
  const { runId, writerId } = await startRun(journal, {}, specs);
  const appends = Array.from({ length: frames }, (_, i) =>
    journal.append(frame(runId, writerId, i + 2, metrics({ a: LONG }, i * 5000)), []),
  );
  await Promise.all(appends);
  const facts = [params({ lr: 1 }), tags({ t: "v" }), artifact(`of ${runId}`)];
  await journal.append(frame(runId, writerId, frames + 2, ...facts), []);
  await journal.append(frame(runId, writerId, frames + 3, end()), []);
  return { runId, writerId, seq: frames + 3 };
}

async function finish(journal: Journal, runId: string): Promise<void> {
  const { points, lastPosition } = await journal.run(runId);
  for (const sink of await journal.sinks(runId)) {
    const cursor = { position: lastPosition, offset: 0 };
    await journal.saveSink({ ...sink, cursor, state: "done", pointsSent: points }, []);
  }
}

/** Waits until the journal has this many frames and, when asked, its file is smaller than `bytes`. */
async function untilCleared(
  journal: Journal,
  frames: number,
  bytes = Number.POSITIVE_INFINITY,
): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const totals = await journal.totals();
    if (totals.frames === frames && totals.bytes < bytes) return;
    if (Date.now() > deadline) expect(totals).toMatchObject({ frames, bytes });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("a run is pruned only when it has ended, every sink has all of it and no letter is left", async () => {
  const journal = await tempJournal();
  const running = await startRun(journal);
  const { runId } = await endedRun(journal);
  const [sink] = await journal.sinks(runId);
  if (sink === undefined) throw new Error("no sink");
  const { points, lastPosition } = await journal.run(runId);
  const refusals: string[] = [];
  const refused = async (id: string) => {
    const error = await journal.prune(id).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
    refusals.push(String(Reflect.get(Object(error), "message")));
  };
  await refused(running.runId);
  await refused(runId);
  const cursor = { position: lastPosition, offset: 0 };
  await journal.saveSink({ ...sink, state: "done", cursor: { ...cursor, position: lastPosition - 1 } }, []);
  await refused(runId);
  const letter = {
    runId,
    spec: sink.spec,
    kind: "params",
    points: 0,
    reason: "no",
    from: CURSOR_START,
    to: cursor,
  };
  await journal.saveSink({ ...sink, state: "done", cursor, pointsSent: points }, [letter]);
  await refused(runId);
  expect(refusals).toMatchObject(
    ["it is running", "is not done", "is not done", "1 dead letters"].map((why) =>
      expect.stringContaining(why),
    ),
  );
  const [candidate, ...more] = await journal.prunable({
    endedBeforeUs: Number.POSITIVE_INFINITY,
    runIds: [],
  });
  expect(candidate).toMatchObject({ run: { runId }, sinks: [{ state: "done" }], deadLetters: 1 });
  expect(candidate?.journalBytes).toBeGreaterThan(3 * 5000 * 8);
  expect(more).toEqual([]);
  expect(await journal.prunable({ endedBeforeUs: 5, runIds: [] })).toEqual([]);
  expect(
    await journal.prunable({ endedBeforeUs: Number.POSITIVE_INFINITY, runIds: [running.runId, "x"] }),
  ).toEqual([]);
  expect(await outcome(journal.prune(newId()))).toBe("RUN_NOT_FOUND");
  await journal.saveSink({ ...sink, state: "done", cursor, pointsSent: points }, [], [1]);
  expect(await journal.prune(runId)).toBeUndefined();
  expect(await journal.prune(runId)).toBeUndefined();
  expect(await journal.prunable({ endedBeforeUs: Number.POSITIVE_INFINITY, runIds: [runId] })).toEqual([]);
});

test("a pruned run keeps its row and sums, tells when it was pruned, and gives its space back", async () => {
  const folder = await stateFolder();
  const journal = await tempJournal(folder);
  const kept = await endedRun(journal, 1);
  const { runId, writerId, seq } = await endedRun(journal, 60, []);
  const bystander = await startRun(journal);
  const before = await journal.totals();
  const run = await journal.run(runId);
  const series = await journal.series(runId);
  const reading = journal.readMetrics({ runId, keys: [], maxPoints: 0 })[Symbol.asyncIterator]();
  await reading.next();
  expect(await journal.contentInUse()).toEqual(new Set(["ab".repeat(32)]));
  await journal.prune(runId);
  const pruned = await journal.run(runId);
  expect(pruned.prunedAtUs).toBeGreaterThan(Date.now() * 1000 - 60e6);
  expect({ ...pruned, prunedAtUs: 0 }).toEqual(run);
  expect(await journal.series(runId)).toEqual(series);
  const when = new Date(pruned.prunedAtUs / 1000).toISOString();
  const gone = { code: "RUN_PRUNED", message: expect.stringContaining(when) };
  await expect(journal.readRecords(runId, CURSOR_START, 10)).rejects.toMatchObject(gone);
  await expect(
    journal.readMetrics({ runId, keys: [], maxPoints: 0 })[Symbol.asyncIterator]().next(),
  ).rejects.toMatchObject(gone);
  expect(await outcome(drained(reading))).toBe("RUN_PRUNED");
  expect(await outcome(journal.append(frame(runId, writerId, seq, end()), []))).toBe("duplicate");
  expect(await outcome(journal.append(frame(runId, writerId, 2, metrics({ a: LONG })), []))).toBe(
    "duplicate",
  );
  expect(await outcome(journal.append(frame(runId, writerId, seq + 1, metrics({ a: [1] })), []))).toBe(
    "RUN_ENDED",
  );
  expect(await outcome(journal.addSinks(runId, ["mlflow:new"]))).toBe("INVALID_ARGUMENT");
  await journal.append(frame(bystander.runId, bystander.writerId, 2, metrics({ b: [1] })), []);
  // The kept run has 4 frames, the bystander 2; their pages, and those of the empty tables, take less than 40.
  await untilCleared(journal, 6, 60 * 8192);
  expect(await journal.totals()).toMatchObject({ points: before.points + 1, runs: 3, runsRunning: 1 });
  expect(await journal.readRecords(kept.runId, CURSOR_START, 10_000)).toHaveLength(6);
  expect(await journal.contentInUse()).toEqual(new Set(["ab".repeat(32)]));
  await finish(journal, kept.runId);
  await journal.prune(kept.runId);
  expect(await journal.contentInUse()).toEqual(new Set());
  await untilCleared(journal, 2);
  const { lastPosition } = await journal.run(bystander.runId);
  await journal.append(frame(bystander.runId, bystander.writerId, 3, metrics({ b: [1] })), []);
  expect((await journal.run(bystander.runId)).lastPosition).toBe(lastPosition + 1);
  await journal.close();
  expect(await verify(join(folder, "journal.db"))).toMatchObject({ faults: [], notes: [], frames: 3 });
});

test("clearing goes on after a restart, and commits do not wait for it", async () => {
  const folder = await stateFolder();
  const first = await openJournal({ stateFolder: folder, log: SILENT });
  const { runId } = await endedRun(first, 400, []);
  const full = (await first.totals()).bytes;
  await first.prune(runId);
  await first.close();
  const journal = await tempJournal(folder);
  const live = await startRun(journal);
  const waits: number[] = [];
  for (let seq = 2; seq < 60; seq++) {
    const begun = performance.now();
    await journal.append(frame(live.runId, live.writerId, seq, metrics({ a: [seq] })), []);
    waits.push(performance.now() - begun);
  }
  await untilCleared(journal, 59, full / 4);
  waits.sort((a, b) => a - b);
  if (process.env["PKX_FIGURES"] !== undefined) console.log({ full, waits: waits.slice(-5) });
  expect(waits[Math.floor(waits.length / 2)]).toBeLessThan(100);
  await journal.close();
  expect(await verify(join(folder, "journal.db"))).toMatchObject({ faults: [], frames: 59 });
});

test("a damaged row does not take the frames of a run that nobody pruned", async () => {
  const folder = await stateFolder();
  const first = await openJournal({ stateFolder: folder, log: SILENT });
  const { runId } = await endedRun(first, 3);
  await first.close();
  const db = new DatabaseSync(join(folder, "journal.db"));
  db.exec("UPDATE runs SET pruned_at_us = 1");
  db.close();
  const warned = Promise.withResolvers<object>();
  const log = Object.assign(Object.create(SILENT), { warn: warned.resolve });
  const journal = await openJournal({ stateFolder: folder, log });
  expect(await warned.promise).toMatchObject({
    code: "CORRUPT_JOURNAL",
    message: expect.stringContaining(runId),
  });
  expect(await journal.totals()).toMatchObject({ frames: 6 });
  await journal.close();
  const faults = [expect.stringContaining(`row of run ${runId}`)];
  expect(await verify(join(folder, "journal.db"))).toMatchObject({ faults });
});

async function drained(chunks: AsyncIterator<unknown>): Promise<void> {
  for (;;) if ((await chunks.next()).done === true) return;
}
