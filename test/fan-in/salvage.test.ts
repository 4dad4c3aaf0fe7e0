import { join } from "node:path";
import { expect, test } from "vitest";
import { openJournal, salvage, verify } from "../../daemon/journal/index.ts";
import { end, frame, metrics, newId, SILENT, start, stateFolder } from "../journal/fixture.ts";

const CLEAN = { faults: [] };

test("the members of a group's run outlive salvage and pruning, and damage to them is found", async () => {
  const folder = await stateFolder();
  const file = join(folder, "journal.db");
  const journal = await openJournal({ stateFolder: folder, log: SILENT });
  const [kept, pruned] = [newId(), newId()];
  for (const runId of [kept, pruned]) {
    for (const rank of [1, 0]) {
      const writerId = newId();
      const member = { group: "job", rank, worldSize: 3 };
      await journal.append(frame(runId, writerId, 1, start({ member, startedAtUs: 5 + rank })), []);
      const last = runId === kept && rank === 0 ? [] : [end(rank === 0 ? "completed" : "failed", "why")];
      await journal.append(frame(runId, writerId, 2, metrics({ [`rank${rank}`]: [1, 2] }), ...last), []);
    }
  }
  await journal.prune(pruned);
  const before = await Promise.all([kept, pruned].map((runId) => journal.members(runId)));
  expect(before.map((members) => members.map(({ rank, state }) => [rank, state]))).toEqual([
    [
      [0, "running"],
      [1, "failed"],
    ],
    [
      [0, "completed"],
      [1, "failed"],
    ],
  ]);
  await journal.close();
  expect(await verify(file)).toMatchObject(CLEAN);
  const other = await stateFolder();
  const into = join(other, "journal.db");
  expect(await salvage(file, into)).toMatchObject({ lostFrames: [], reasons: [] });
  expect(await verify(into)).toMatchObject(CLEAN);
  const salvaged = await openJournal({ stateFolder: other, log: SILENT });
  const withoutTime = (members: (typeof before)[number]) => members.map((one) => ({ ...one, seenAtUs: 0 }));
  for (const [i, runId] of [kept, pruned].entries()) {
    expect(withoutTime(await salvaged.members(runId))).toEqual(withoutTime(before[i] ?? []));
  }
  expect(await salvaged.runs({ limit: 9, group: "job" })).toHaveLength(2);
  expect(await salvaged.runs({ limit: 9, group: "other" })).toEqual([]);
  expect(await salvaged.run(pruned)).toMatchObject({ state: "failed", reason: "rank 1: why" });
  await salvaged.close();
  const { DatabaseSync } = await import("node:sqlite");
  for (const runId of [kept, pruned]) {
    const db = new DatabaseSync(into);
    const undo = db.prepare(
      "UPDATE members SET reason = ? WHERE rank = 1 AND run = (SELECT number FROM runs WHERE run_id = ?)",
    );
    undo.run("another", runId);
    db.close();
    const { faults } = await verify(into);
    expect(faults.join()).toContain(runId);
    const again = new DatabaseSync(into);
    again.prepare("UPDATE members SET reason = 'why' WHERE rank = 1").run();
    again.close();
  }
});
