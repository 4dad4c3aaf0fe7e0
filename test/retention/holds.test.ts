import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Holds } from "../../daemon/content/holds.ts";
import { type ContentStore, openContentStore } from "../../daemon/content/index.ts";

let home: string;
let content: ContentStore;
const never = new AbortController().signal;
const nothing = async () => new Set<string>();

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "pkx-"));
  content = await openContentStore({ stateFolder: home });
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

async function ingest(text: string, hold = content.hold()) {
  const path = join(home, `source-${text}`);
  writeFileSync(path, text);
  const [file] = await content.ingest(path, { staged: false, hold }, never);
  const sha256 = file?.sha256 ?? "";
  return { sha256, hold, kept: () => existsSync(content.pathOf(sha256)) };
}

test("a sweep removes what nobody names and nobody holds, and tells what that frees", async () => {
  const held = await ingest("held");
  const named = await ingest("named");
  const loose = await ingest("loose!");
  named.hold.release();
  loose.hold.release();
  expect(await content.bytes()).toBe(15);
  expect(await content.sweep(async () => new Set([named.sha256]), never)).toEqual({ files: 1, bytes: 6 });
  expect([held.kept(), named.kept(), loose.kept()]).toEqual([true, true, false]);
  expect(await content.bytes()).toBe(9);
});

test("a file that is taken in and journaled while the names are asked for is not swept", async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<ReadonlySet<string>>();
  const sweep = content.sweep(() => {
    asked.resolve();
    return answer.promise;
  }, never);
  await asked.promise;
  const fresh = await ingest("fresh");
  // Its record is journaled now, and the answer that comes does not know it.
  fresh.hold.release();
  answer.resolve(new Set());
  expect(await sweep).toEqual({ files: 0, bytes: 0 });
  expect(fresh.kept()).toBe(true);
  expect(await content.sweep(nothing, never)).toMatchObject({ files: 1 });
});

test("who takes in what is just being removed waits until it is gone", async () => {
  const holds = new Holds();
  const removed = Promise.withResolvers<void>();
  let entered = false;
  await holds.sweeping(async () => {
    const removal = holds.removeUnlessHeld("ab", () => removed.promise);
    const entering = holds
      .hold()
      .add("ab")
      .then(() => {
        entered = true;
      });
    await new Promise((next) => setImmediate(next));
    expect(entered).toBe(false);
    removed.resolve();
    await Promise.all([removal, entering]);
  });
  expect(entered).toBe(true);
});

test("taking in what is just being removed finds it gone and brings it again", async () => {
  const one = await ingest("same");
  one.hold.release();
  for (let round = 0; round < 20; round++) {
    const [, again] = await Promise.all([content.sweep(nothing, never), ingest("same")]);
    expect(again.kept()).toBe(true);
    again.hold.release();
  }
});

test("a doubt about the names in use keeps every file", async () => {
  const loose = await ingest("loose");
  loose.hold.release();
  const doubt = async () => Promise.reject(new Error("no answer"));
  await expect(content.sweep(doubt, never)).rejects.toThrow("no answer");
  expect(loose.kept()).toBe(true);
  expect(await content.sweep(nothing, never)).toMatchObject({ files: 1 });
});

test("what is adopted from another store must be what its digest says", async () => {
  const other = await openContentStore({ stateFolder: join(home, "other") });
  const path = join(home, "x");
  writeFileSync(path, "carried");
  const [file] = await other.ingest(path, { staged: false }, never);
  if (file === undefined) throw new Error("no file");
  const hold = content.hold();
  await content.adopt(file, other.pathOf(file.sha256), hold, never);
  expect(existsSync(content.pathOf(file.sha256))).toBe(true);
  const wrong = { ...file, sha256: "ab".repeat(32) };
  const source = other.pathOf(file.sha256);
  for (const [what, from] of [
    [wrong, source],
    [wrong, join(home, "missing")],
    [wrong, home],
  ] as const) {
    await expect(content.adopt(what, from, hold, never)).rejects.toMatchObject({
      code: "ARTIFACT_UNREADABLE",
    });
  }
  expect(existsSync(content.pathOf(wrong.sha256))).toBe(false);
});
