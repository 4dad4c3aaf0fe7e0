import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import {
  CURSOR_START,
  openForeignJournal,
  openJournal,
  salvage,
  verify,
} from "../../daemon/journal/index.ts";
import { frame, metrics, newId, outcome, SILENT, start, stateFolder, tempJournal } from "./fixture.ts";
import { writeVersion1 } from "./version-1.ts";

const LONG = Array.from({ length: 3000 }, (_, i) => i);

async function version1() {
  const folder = await stateFolder();
  const file = join(folder, "journal.db");
  const [runId, writerId] = [newId(), newId()];
  writeVersion1(file, runId, writerId, [[start()], [metrics({ a: LONG })], [metrics({ b: [1, 2] })]]);
  return { folder, file, runId, writerId };
}

test("a journal of version 1 is brought to the present version and goes on", async () => {
  const { folder, file, runId, writerId } = await version1();
  const before = Date.now() * 1000;
  const journal = await openJournal({ stateFolder: folder, log: SILENT });
  expect(await journal.run(runId)).toMatchObject({ points: 3002, prunedAtUs: 0, lastPosition: 3 });
  expect(await journal.readRecords(runId, CURSOR_START, 10_000)).toHaveLength(3);
  const [sink] = await journal.openSinks();
  expect(sink).toMatchObject({ remoteId: "r", cursor: { position: 1, offset: 0 } });
  expect(sink?.pendingSinceUs).toBeGreaterThanOrEqual(before);
  expect(await journal.deadLetters({ limit: 9 })).toMatchObject([{ id: 1, reason: "no", atUs: 5 }]);
  expect(await journal.append(frame(runId, writerId, 3), [])).toBe("duplicate");
  expect(await journal.append(frame(runId, writerId, 4, metrics({ c: [1] })), [])).toBe("appended");
  await journal.close();
  const note = expect.stringContaining("3 frames of journal version 1");
  expect(await verify(file)).toMatchObject({ faults: [], notes: [note], frames: 4 });
  const into = join(folder, "into.db");
  expect(await salvage(file, into)).toMatchObject({ frames: 4, points: 3003, lostFrames: [], reasons: [] });
  expect(await verify(into)).toMatchObject({ faults: [], frames: 4 });
});

test("migration is one transaction: where it fails, version 1 is as it was", async () => {
  const { folder, file, runId } = await version1();
  const db = new DatabaseSync(file);
  db.exec("CREATE INDEX runs_to_clear ON runs (name)");
  db.close();
  expect(await outcome(openJournal({ stateFolder: folder, log: SILENT }))).toBe("INTERNAL");
  const again = new DatabaseSync(file);
  expect(again.prepare("PRAGMA user_version").get()).toMatchObject({ user_version: 1 });
  expect(again.prepare("SELECT * FROM frames WHERE position = 1").get()).not.toHaveProperty("crc");
  again.exec("DROP INDEX runs_to_clear");
  again.close();
  expect(await (await tempJournal(folder)).run(runId)).toMatchObject({ points: 3002 });
});

test("a folder of version 1 can be taken in and salvaged as it is", async () => {
  const { folder, file, runId } = await version1();
  const foreign = await openForeignJournal(file, SILENT);
  expect((await foreign.frames(0, 100)).map(({ frame: { runId: id, seq } }) => [id, seq])).toEqual([
    [runId, 1],
    [runId, 2],
    [runId, 3],
  ]);
  expect(await foreign.sinks(runId)).toMatchObject([{ spec: "mlflow:a" }]);
  await foreign.close();
  const db = new DatabaseSync(file, { readOnly: true });
  expect(db.prepare("PRAGMA user_version").get()).toMatchObject({ user_version: 1 });
  db.close();
  const into = join(folder, "into.db");
  expect(await salvage(file, into)).toMatchObject({ frames: 3, points: 3002, lostFrames: [], reasons: [] });
  expect(await verify(into)).toMatchObject({ faults: [], frames: 3 });
});
