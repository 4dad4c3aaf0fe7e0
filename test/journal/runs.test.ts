import { expect, test } from "vitest";
import { end, frame, start, startRun, tempJournal } from "./fixture.ts";

test("runs are listed newest first, page by page, by state and by name", async () => {
  const journal = await tempJournal();
  const ids: string[] = [];
  for (const [i, name] of ["cnn", "cnn big", "tree"].entries()) {
    ids.push((await startRun(journal, { name, startedAtUs: 1000 - (i === 2 ? 500 : 0) })).runId);
  }
  await journal.append(frame(ids[0] ?? "", "other", 1, end()), []);
  const list = async (query: object) =>
    (await journal.runs({ limit: 10, ...query })).map(({ runId }) => runId);
  expect(await list({})).toEqual([ids[1], ids[0], ids[2]]);
  expect(await list({ limit: 1 })).toEqual([ids[1]]);
  expect(await list({ before: ids[1] })).toEqual([ids[0], ids[2]]);
  expect(await list({ before: ids[0], limit: 1 })).toEqual([ids[2]]);
  expect(await list({ before: ids[2] })).toEqual([]);
  expect(await list({ state: "completed" })).toEqual([ids[0]]);
  expect(await list({ nameContains: "cnn" })).toEqual([ids[1], ids[0]]);
  expect(await list({ nameContains: "%" })).toEqual([]);
});

test("a run is found by its id and by a prefix of 8 characters that is its own", async () => {
  const journal = await tempJournal();
  const add = (runId: string) => journal.append(frame(runId, `w${runId}`, 1, start()), []);
  await add("01AAAAAA1");
  await add("01AAAAAA1B");
  await add("01BBBBBBXYZ");
  expect((await journal.run("01AAAAAA1")).runId).toBe("01AAAAAA1");
  expect((await journal.run("01BBBBBB")).runId).toBe("01BBBBBBXYZ");
  await expect(journal.run("01AAAAAA")).rejects.toMatchObject({ code: "REF_AMBIGUOUS" });
  await expect(journal.run("01BBBBB")).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  await expect(journal.run("01CCCCCC")).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
});
