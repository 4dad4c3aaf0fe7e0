/** A snapshot beside appends is of one moment; what is missing after its restore may be missing once. */
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { LostNotes } from "../../daemon/backup/lost-notes.ts";
import {
  type Journal,
  type LostFrames,
  openJournal,
  snapshotJournal,
  verify,
} from "../../daemon/journal/index.ts";
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
} from "../journal/fixture.ts";
import { NEVER } from "./room.ts";

test("appends go on while the journal is copied; the copy has all that was acknowledged before, and no half", async () => {
  const folder = await stateFolder();
  const journal = await tempJournal(folder);
  const { runId, writerId } = await startRun(journal);
  let acked = 1;
  let during = 0;
  const stop = new AbortController();
  const append = async () => {
    while (!stop.signal.aborted) {
      const points = { loss: Array.from({ length: 500 }, (_, i) => i) };
      await journal.append(frame(runId, writerId, acked + 1, metrics(points, acked * 500)), []);
      acked++;
    }
  };
  const appending = append();
  while (acked < 50) await new Promise(setImmediate);
  for (const name of ["one", "two"]) {
    const before = acked;
    const target = join(folder, name);
    const { points, runs } = await snapshotJournal(folder, target, SILENT, NEVER);
    during += acked - before;
    expect(points).toBeGreaterThanOrEqual((before - 1) * 500);
    expect(points).toBeLessThanOrEqual((acked - 1 + 1) * 500);
    expect(await verify(target)).toMatchObject({ runs, points, faults: [] });
  }
  stop.abort();
  await appending;
  expect(during).toBeGreaterThan(0);
  expect(await journal.run(runId)).toMatchObject({ points: (acked - 1) * 500 });
});

test("after a restore each writer may lack frames once, and it is told which; later writers may not", async () => {
  const folder = await stateFolder();
  const before = await openJournal({ stateFolder: folder, log: SILENT });
  const { runId, writerId } = await startRun(before);
  const other = await startRun(before);
  await before.close();
  const gaps: LostFrames[] = [];
  const atUs = Date.now() * 1000 + 1000;
  while (Date.now() * 1000 < atUs) await new Promise(setImmediate);
  const restored = { atUs, onGap: (gap: LostFrames) => gaps.push(gap) };
  const journal = await openJournal({ stateFolder: folder, log: SILENT, restored });
  onTestFinished(() => journal.close());
  const append = (run: string, writer: string, seq: number) =>
    outcome(journal.append(frame(run, writer, seq, metrics({ loss: [seq] }, seq)), []));
  expect(await append(runId, writerId, 5)).toBe("appended");
  expect(gaps).toEqual([{ runId, writerId, from: 2, to: 4 }]);
  expect(await append(runId, writerId, 5)).toBe("duplicate");
  expect(await append(runId, writerId, 4)).toBe("duplicate");
  expect(await append(runId, writerId, 7), "a second gap").toBe("INVALID_FRAME");
  expect(await append(runId, writerId, 6)).toBe("appended");
  expect(await append(other.runId, other.writerId, 2), "no gap").toBe("appended");
  // A writer that the backup does not know, made before the restore: one of a forked process, say.
  const forked = newId();
  expect(await append(runId, forked, 3)).toBe("appended");
  expect(gaps.at(-1)).toEqual({ runId, writerId: forked, from: 1, to: 2 });
  expect(await append(runId, `7ZZZZZZZZZ${newId().slice(10)}`, 3), "made later").toBe("INVALID_FRAME");
  const unknown = newId();
  expect(await append(unknown, newId(), 3), "a run that started after the backup").toBe("RUN_NOT_FOUND");
  const late = frame(unknown, newId(), 3, start());
  expect(await outcome(journal.append(late, [])), "a start in the middle").toBe("INVALID_FRAME");
  expect(gaps).toHaveLength(2);
  await journal.close();
  expect(await verify(join(folder, "journal.db"))).toMatchObject({ faults: [] });
  const plain = await openJournal({ stateFolder: folder, log: SILENT });
  onTestFinished(() => plain.close());
  const gap = frame(other.runId, other.writerId, 9, metrics({ loss: [9] }));
  expect(await outcome(plain.append(gap, [])), "in a journal that was never restored").toBe("INVALID_FRAME");
});

test("a run whose end is all that comes after a restore is told of its lost frames as well", async () => {
  const folder = await stateFolder();
  const before = await openJournal({ stateFolder: folder, log: SILENT });
  const { runId, writerId } = await startRun(before);
  await before.close();
  const atUs = Date.now() * 1000 + 1000;
  while (Date.now() * 1000 < atUs) await new Promise(setImmediate);
  const notes = new LostNotes(
    { at_us: atUs, backup_at_us: atUs, backup: "", delivers: true, origin: { folder, host: "" } },
    SILENT,
  );
  const { promise: told, resolve } = Promise.withResolvers<void>();
  const restored = { atUs, onGap: (gap: LostFrames) => resolve(notes.tell(journal, gap)) };
  const journal: Journal = await openJournal({ stateFolder: folder, log: SILENT, restored });
  await journal.append(frame(runId, writerId, 4, end()), []);
  await told;
  const lost = expect.stringMatching(/^2 frames \(2 to 3\), acknowledged after the backup of .*, are lost$/);
  expect(await journal.run(runId)).toMatchObject({
    state: "completed",
    tags: { [`pipekit.lost_frames.${writerId}`]: lost },
  });
  const late = frame(runId, newId(), 1, metrics({ loss: [1] }));
  expect(await outcome(journal.append(late, [])), "what a client has to say after the end").toBe("RUN_ENDED");
  await journal.close();
  expect(await verify(join(folder, "journal.db"))).toMatchObject({ faults: [] });
});
