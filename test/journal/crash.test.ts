import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import type { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { Refusal } from "../../daemon/journal/faults.ts";
import { CURSOR_START, type Journal, openJournal, salvage, verify } from "../../daemon/journal/index.ts";
import { openForWriting } from "../../daemon/journal/schema.ts";
import { frame, metrics, newId, outcome, SILENT, startRun, stateFolder, tempJournal } from "./fixture.ts";

/** Values of a series in journal order. */
async function valuesOf(journal: Journal, runId: string, key: string): Promise<number[]> {
  const values: number[] = [];
  for await (const chunk of journal.readMetrics({ runId, keys: [key], maxPoints: 0 }))
    values.push(...chunk.values);
  return values;
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

test("after kill -9, again and again, every acknowledged frame is there once and in order", async () => {
  const folder = await stateFolder();
  const before = await openJournal({ stateFolder: folder, log: SILENT });
  const { runId } = await startRun(before);
  await before.close();
  const acked: { [writerId: string]: number } = { a: 0, b: 0, c: 0 };
  for (const kills of [1, 7, 20, 40, 80, 150, 2, 33]) {
    const appender = join(import.meta.dirname, "appender.ts");
    const child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", appender, folder, runId],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const exited = once(child, "exit");
    let left = kills;
    for await (const line of createInterface({ input: child.stdout })) {
      const [writerId = "", seq] = line.split(" ");
      acked[writerId] = Number(seq);
      if (--left === 0) child.kill("SIGKILL");
    }
    await exited;
    expect(left).toBeLessThanOrEqual(0);
    const journal = await openJournal({ stateFolder: folder, log: SILENT });
    for (const [writerId, seq] of Object.entries(acked)) {
      const lastSeq = await journal.lastSeq(writerId);
      expect(lastSeq).toBeGreaterThanOrEqual(seq);
      expect(await valuesOf(journal, runId, writerId)).toEqual(upTo(lastSeq));
    }
    const points = (await journal.series(runId)).reduce((sum, one) => sum + one.points, 0);
    expect((await journal.run(runId)).points).toBe(points);
    expect(await journal.totals()).toMatchObject({ frames: points + 1, points });
    await journal.close();
  }
});

/** A journal of 21 frames, each its own commit, that was never closed: all of it is in its log. */
async function unclosed() {
  const folder = await stateFolder();
  const journal = await tempJournal(folder);
  const { runId, writerId } = await startRun(journal);
  for (let seq = 2; seq <= 21; seq++)
    await journal.append(frame(runId, writerId, seq, metrics({ a: [seq - 1] })), []);
  const file = join(folder, "journal.db");
  return { runId, writerId, db: await readFile(file), log: await readFile(`${file}-wal`) };
}

async function folderOf(db: Buffer, log: Buffer): Promise<string> {
  const folder = await stateFolder();
  await writeFile(join(folder, "journal.db"), db);
  await writeFile(join(folder, "journal.db-wal"), log);
  return folder;
}

test("a torn write-ahead log opens to a whole prefix", async () => {
  const { runId, writerId, db, log } = await unclosed();
  const lengths = new Set<number>();
  for (const share of [1, 0.999, 0.9, 0.7, 0.5, 0.3]) {
    const folder = await folderOf(db, log.subarray(0, Math.floor((log.length - 1) * share)));
    const reopened = await openJournal({ stateFolder: folder, log: SILENT });
    const lastSeq = await reopened.lastSeq(writerId);
    const points = Math.max(0, lastSeq - 1);
    lengths.add(points);
    if (lastSeq > 0) {
      expect(await valuesOf(reopened, runId, "a")).toEqual(upTo(points));
      expect(await reopened.run(runId)).toMatchObject({ points, lastPosition: lastSeq });
      expect(await reopened.append(frame(runId, writerId, lastSeq + 1, metrics({ a: [0] })), [])).toBe(
        "appended",
      );
    }
    await reopened.close();
  }
  expect(lengths.size).toBeGreaterThan(3);
});

test("a log damaged before its last commit is CORRUPT_JOURNAL, and salvage keeps all but what was hit", async () => {
  const { writerId, db, log } = await unclosed();
  const pageSize = 8192 + 24;
  const pages = (log.length - 32) / pageSize;
  const words = new Set<unknown>();
  for (let round = 0; round < 16; round++) {
    const damaged = Buffer.from(log);
    // Headers of pages, pages, and the header of the log.
    const page = round === 15 ? pages - 1 : Math.floor((pages * round) / 16);
    const at = round === 0 ? 9 : 32 + page * pageSize + (round % 3) * 800 + 9;
    damaged[at] = (damaged[at] ?? 0) ^ 0x40;
    const folder = await folderOf(db, damaged);
    const file = join(folder, "journal.db");
    const report = await verify(file);
    const into = await stateFolder();
    const salvaged = await salvage(file, join(into, "journal.db"));
    expect(await verify(join(into, "journal.db"))).toMatchObject({ faults: [] });
    // A page is written again by later commits, so that one damaged version costs nothing that a later one has.
    expect(salvaged.frames).toBeGreaterThanOrEqual(20);
    expect(report.faults.length + report.notes.length).toBeGreaterThan(0);
    try {
      const opened = openForWriting(file);
      words.add("opened");
      // Only the last commit can pass for one that was torn by a power cut before it was acknowledged.
      expect(opened.prepare("SELECT last_seq, writer_id FROM writers").all()).toMatchObject([
        { last_seq: 20, writer_id: writerId },
      ]);
      expect(opened.prepare("SELECT frames, points FROM totals").get()).toMatchObject({
        frames: 20,
        points: 19,
      });
      opened.close();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      words.add(error.fault.code);
    }
  }
  expect(words).toEqual(new Set(["CORRUPT_JOURNAL", "opened"]));
});

test("a damaged file is CORRUPT_JOURNAL with a mend, at the opening or at the first use", async () => {
  const folder = await stateFolder();
  const file = join(folder, "journal.db");
  const journal = await openJournal({ stateFolder: folder, log: SILENT });
  const { runId, writerId } = await startRun(journal);
  await journal.append(frame(runId, writerId, 2, metrics({ a: upTo(5000) })), []);
  await journal.close();
  const good = await readFile(file);
  const use = async () => {
    const opened = await openJournal({ stateFolder: folder, log: SILENT });
    try {
      await opened.append(frame(runId, writerId, 3, metrics({ a: [1] })), []);
      await valuesOf(opened, runId, "a");
    } finally {
      await opened.close();
    }
  };
  const corrupt = { code: "CORRUPT_JOURNAL", field: file, mend: expect.stringContaining("journal.db") };
  await writeFile(file, Buffer.concat([Buffer.from("not a journal at all"), good.subarray(20)]));
  await expect(use()).rejects.toMatchObject(corrupt);
  await writeFile(file, Buffer.concat([good.subarray(0, 8192), Buffer.alloc(good.length - 8192, 0xff)]));
  await expect(use()).rejects.toMatchObject(corrupt);
  await writeFile(file, good.subarray(0, 3 * 8192));
  await expect(use()).rejects.toMatchObject(corrupt);
  await writeFile(file, good);
  const moved = new DatabaseSync(file);
  moved.exec("UPDATE frames SET position = 9 WHERE position = 2; UPDATE sqlite_sequence SET seq = 10");
  moved.close();
  await expect(use()).rejects.toMatchObject({
    ...corrupt,
    message: expect.stringContaining("position 9 of run"),
  });
  await writeFile(file, good);
  await use();
  const db = new DatabaseSync(file);
  db.exec("UPDATE frames SET body = substr(body, 1, 500) WHERE position = 2");
  db.close();
  const opened = await tempJournal(folder);
  await expect(valuesOf(opened, runId, "a")).rejects.toMatchObject(corrupt);
  await expect(opened.readRecords(runId, CURSOR_START, 10_000)).rejects.toMatchObject(corrupt);
});

test("a newer journal, another program's file and a folder that is not there are refused with a sentence", async () => {
  const folder = await stateFolder();
  const file = join(folder, "journal.db");
  await (await openJournal({ stateFolder: folder, log: SILENT })).close();
  const db = new DatabaseSync(file);
  db.exec("PRAGMA user_version = 99");
  db.close();
  await expect(openJournal({ stateFolder: folder, log: SILENT })).rejects.toMatchObject({
    code: "INVALID_DAEMON_CONFIG",
    message: expect.stringContaining("journal version 99"),
  });
  const other = await stateFolder();
  const foreign = new DatabaseSync(join(other, "journal.db"));
  foreign.exec("CREATE TABLE mine (a)");
  foreign.close();
  await expect(openJournal({ stateFolder: other, log: SILENT })).rejects.toMatchObject({
    code: "CORRUPT_JOURNAL",
    message: expect.stringContaining("another program"),
  });
  const missing = join(other, "missing");
  await expect(openJournal({ stateFolder: missing, log: SILENT })).rejects.toMatchObject({
    code: "UNSAFE_FOLDER",
  });
});

test("two processes' worth of journals on one folder wait for each other", async () => {
  const folder = await stateFolder();
  const one = await tempJournal(folder);
  const two = await tempJournal(folder);
  const { runId } = await startRun(one);
  const writes = upTo(30).flatMap((seq) => [
    one.append(frame(runId, "one", seq, metrics({ one: [seq] })), []),
    two.append(frame(runId, "two", seq, metrics({ two: [seq] })), []),
  ]);
  expect(new Set(await Promise.all(writes))).toEqual(new Set(["appended"]));
  expect(await valuesOf(two, runId, "one")).toEqual(upTo(30));
  expect(await valuesOf(one, runId, "two")).toEqual(upTo(30));
});

test("when the writer's thread breaks, what waits is told to try again, and the next append starts another", async () => {
  const started: Worker[] = [];
  const note = (worker: Worker) => started.push(worker);
  process.on("worker", note);
  const journal = await tempJournal();
  process.off("worker", note);
  const { runId, writerId } = await startRun(journal);
  const waiting = journal.append(frame(runId, writerId, 2, metrics({ a: upTo(50_000) })), []);
  await Promise.all([started[0]?.terminate(), expect(outcome(waiting)).resolves.toBe("DAEMON_UNAVAILABLE")]);
  const again = await journal.append(frame(runId, writerId, 2, metrics({ a: [1] })), []);
  expect(["appended", "duplicate"]).toContain(again);
  expect(await journal.lastSeq(writerId)).toBe(2);
  await journal.close();
  await expect(journal.append(frame(runId, writerId, 3), [])).rejects.toMatchObject({
    code: "DAEMON_UNAVAILABLE",
  });
  await expect(journal.run(newId())).rejects.toMatchObject({ code: "DAEMON_UNAVAILABLE" });
});
