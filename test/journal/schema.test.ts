import { stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openForReading, openForWriting } from "../../daemon/journal/schema.ts";
import { stateFolder } from "./fixture.ts";

test("the file is its owner's alone, every commit is synced, and the reader cannot write", async () => {
  const file = join(await stateFolder(), "journal.db");
  const db = openForWriting(file);
  const pragma = (name: string) => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  expect(pragma("journal_mode")).toBe("wal");
  expect(pragma("synchronous")).toBe(2);
  for (const path of [file, `${file}-wal`]) expect((await stat(path)).mode & 0o777).toBe(0o600);
  const reader = openForReading(file);
  expect(() => reader.exec("DELETE FROM totals")).toThrow(/readonly/);
  reader.close();
  db.close();
});
