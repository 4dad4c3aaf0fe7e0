import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { type ForeignJournal, openForeignJournal, openJournal } from "../../daemon/journal/index.ts";
import { seeded } from "../support/random.ts";
import { damage, placedFrames, richJournal } from "./damage.ts";
import { end, frame, metrics, outcome, SILENT, startRun, stateFolder, tempJournal } from "./fixture.ts";

async function openForeign(file: string): Promise<ForeignJournal> {
  const journal = await openForeignJournal(file, SILENT);
  onTestFinished(() => journal.close());
  return journal;
}

async function positionsOf(journal: ForeignJournal, after = 0): Promise<number[]> {
  const positions: number[] = [];
  for (let at = after; ; ) {
    const frames = await journal.frames(at, 3);
    positions.push(...frames.map(({ position }) => position));
    const last = frames.at(-1);
    if (last === undefined) return positions;
    at = last.position;
  }
}

test("a journal is read while it is written: frames, seqs and sinks, without those of pruned runs", async () => {
  const folder = await stateFolder();
  const writing = await tempJournal(folder);
  const gone = await startRun(writing);
  await writing.append(frame(gone.runId, gone.writerId, 2, end()), []);
  await writing.prune(gone.runId);
  const { runId, writerId } = await startRun(writing, {}, ["mlflow:a"]);
  const foreign = await openForeign(join(folder, "journal.db"));
  expect(await positionsOf(foreign)).toEqual([3]);
  await writing.append(frame(runId, writerId, 2), []);
  await writing.append(frame(runId, writerId, 3, metrics({ a: [1, 2] })), []);
  expect(await positionsOf(foreign, 3)).toEqual([4]);
  const [, taken] = await foreign.frames(0, 10);
  expect(taken?.frame).toMatchObject({ runId, writerId, seq: 3 });
  expect(await foreign.sinks(runId)).toMatchObject([{ spec: "mlflow:a" }]);
  expect(await foreign.run(runId)).toMatchObject({ runId });
  expect(await outcome(foreign.run("no such run"))).toBe("RUN_NOT_FOUND");
  expect(await writing.append(frame(runId, writerId, 4, metrics({ a: [3] })), [])).toBe("appended");
});

test("a carried folder is read without a trace, and anew when a daemon begins to write it", async () => {
  const folder = await stateFolder();
  const first = await openJournal({ stateFolder: folder, log: SILENT });
  const { runId, writerId } = await startRun(first);
  await first.close();
  const foreign = await openForeign(join(folder, "journal.db"));
  expect(await positionsOf(foreign)).toEqual([1]);
  expect(readdirSync(folder)).toEqual(["journal.db"]);
  const writing = await tempJournal(folder);
  await writing.append(frame(runId, writerId, 2, metrics({ a: [1] })), []);
  expect(await positionsOf(foreign)).toEqual([1, 2]);
});

/** The folder again, as nobody can write it; undefined where this user may not mount. */
function mountReadOnly(folder: string, at: string): string | undefined {
  mkdirSync(at);
  try {
    execFileSync("mount", ["--bind", folder, at], { stdio: "ignore" });
    onTestFinished(() => void execFileSync("umount", ["-l", at]));
    execFileSync("mount", ["-o", "remount,ro,bind", at], { stdio: "ignore" });
    return at;
  } catch {
    return undefined;
  }
}

test("a mount that nobody can write is read, with and without a log left by a kill", async ({ skip }) => {
  const folder = await stateFolder();
  const live = await openJournal({ stateFolder: folder, log: SILENT });
  const { runId, writerId } = await startRun(live);
  await live.append(frame(runId, writerId, 2, metrics({ a: [1] })), []);
  const killed = await stateFolder();
  for (const name of ["journal.db", "journal.db-wal"]) copyFileSync(join(folder, name), join(killed, name));
  await live.close();
  for (const source of [folder, killed]) {
    const mount = mountReadOnly(source, join(await stateFolder(), "mount"));
    if (mount === undefined) return skip("This user may not mount.");
    const foreign = await openForeign(join(mount, "journal.db"));
    expect(await positionsOf(foreign)).toEqual([1, 2]);
    await foreign.close();
  }
  expect(existsSync(join(killed, "journal.db-shm"))).toBe(false);
});

test("what is no journal, or a newer one, is refused with a sentence", async () => {
  const folder = await stateFolder();
  const file = join(folder, "journal.db");
  expect(await outcome(openForeignJournal(file, SILENT))).toBe("INVALID_ARGUMENT");
  writeFileSync(file, "");
  expect(await outcome(openForeignJournal(file, SILENT))).toBe("INVALID_ARGUMENT");
  writeFileSync(file, "hello".repeat(5000));
  expect(await outcome(openForeignJournal(file, SILENT))).toBe("CORRUPT_JOURNAL");
  const other = join(folder, "other.db");
  const db = new DatabaseSync(other);
  db.exec("CREATE TABLE mine (a)");
  db.close();
  expect(await outcome(openForeignJournal(other, SILENT))).toBe("INVALID_ARGUMENT");
  await (await openJournal({ stateFolder: await stateFolder(), log: SILENT })).close();
  const newer = await stateFolder();
  await (await openJournal({ stateFolder: newer, log: SILENT })).close();
  const version = new DatabaseSync(join(newer, "journal.db"));
  version.exec("PRAGMA user_version = 99");
  version.close();
  await expect(openForeignJournal(join(newer, "journal.db"), SILENT)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("version 99"),
  });
});

test("a copy with pages of two moments is refused, also where each of them is sound", async () => {
  const folder = await stateFolder();
  const file = join(folder, "journal.db");
  const first = await openJournal({ stateFolder: folder, log: SILENT });
  const { runId, writerId } = await startRun(first);
  await first.close();
  const before = readFileSync(file);
  const second = await openJournal({ stateFolder: folder, log: SILENT });
  for (let seq = 2; seq < 9; seq++)
    await second.append(frame(runId, writerId, seq, metrics({ a: [seq] })), []);
  await second.close();
  const mixed = readFileSync(file);
  for (const page of placedFrames(file).get(1)?.pages ?? []) {
    before.copy(mixed, (page - 1) * 8192, (page - 1) * 8192, page * 8192);
  }
  const copy = join(await stateFolder(), "journal.db");
  writeFileSync(copy, mixed);
  await expect(openForeignJournal(copy, SILENT)).rejects.toMatchObject({
    code: "CORRUPT_JOURNAL",
    mend: expect.stringContaining("Copy the folder again"),
  });
});

test("a damaged or half copied journal gives an error or its intact beginning, never a wrong frame", async () => {
  const rich = await richJournal();
  const good = readFileSync(rich.file);
  const bodies = new Map<number, unknown>();
  const sound = await openForeign(rich.file);
  for (const { position, frame: one } of await sound.frames(0, 1000)) bodies.set(position, one);
  const outcomes = new Map<string, number>();
  for (let round = 0; round < 12; round++) {
    const file = join(await stateFolder(), "journal.db");
    writeFileSync(file, damage(good, seeded(77_000 + round)).bytes);
    let word = "whole";
    const read = async () => {
      const foreign = await openForeign(file);
      for (let at = 0; ; ) {
        const frames = await foreign.frames(at, 7);
        for (const { position, frame: one } of frames) expect(one).toEqual(bodies.get(position));
        const last = frames.at(-1);
        if (last === undefined) break;
        at = last.position;
      }
    };
    await read().catch((error: unknown) => {
      word = String(Reflect.get(Object(error), "code"));
      expect(error).toMatchObject({ mend: expect.any(String) });
    });
    outcomes.set(word, (outcomes.get(word) ?? 0) + 1);
  }
  expect([...outcomes.keys()].filter((word) => word !== "whole" && word !== "INVALID_ARGUMENT")).toEqual([
    "CORRUPT_JOURNAL",
  ]);
});
