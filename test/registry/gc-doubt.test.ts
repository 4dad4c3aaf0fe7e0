/** A collection on a folder in which something is odd: it deletes nothing on a guess, and takes away what died. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { gc, NOTHING_KEPT } from "../contract/registry-gc.ts";
import { inProcess, move, never, type RegistryFixture, storeText } from "../contract/registry-harness.ts";

let fixture: RegistryFixture;
beforeEach(async () => {
  fixture = await inProcess();
});
afterEach(() => fixture.close());

const at = (key: string): string => join(fixture.root, key);
const log = (name: string, seq: number): string => `_log/${name}/${String(seq).padStart(12, "0")}.json`;

function put(key: string, text = "?", ageS = 0): void {
  mkdirSync(join(at(key), ".."), { recursive: true });
  rmSync(at(key), { force: true });
  writeFileSync(at(key), text);
  const time = Date.now() / 1000 - ageS;
  utimesSync(at(key), time, time);
}

test.each([
  ["a damaged tag", "_tags/other.txt"],
  ["a damaged entry of a log", log("prod", 2)],
  ["a strange lease", "_leases/odd.json"],
  ["a strange mark", "_leases/stored/odd.json"],
  ["a strange pin", "_pins/odd.json"],
])("%s ends it before anything is deleted", async (_, key) => {
  const hashes = await Promise.all(["a", "b", "c"].map((text) => storeText(fixture.registry, text)));
  for (const hash of hashes.slice(0, 2))
    await fixture.registry.tag(move("prod", hash, { force: true }), never);
  await fixture.registry.tag(move("prod", hashes[0] ?? "", { force: true }), never);
  put(key);
  for (const apply of [false, true]) {
    await expect(gc(fixture.registry, { keepMoves: 3 }, apply)).rejects.toMatchObject({
      code: "GC_ABORTED",
      field: key,
      mend: expect.stringMatching(/./),
    });
  }
  for (const hash of hashes) expect(existsSync(at(`${hash}/metadata.json`))).toBe(true);
  expect(readdirSync(at("_gc"))).toEqual([]);
});

test("a tag that is a link to a file elsewhere keeps its model", async () => {
  const [kept, other] = [await storeText(fixture.registry, "a"), await storeText(fixture.registry, "b")];
  await fixture.registry.tag(move("prod", kept), never);
  renameSync(at("_tags/prod.txt"), at("moved"));
  symlinkSync("../moved", at("_tags/prod.txt"));
  rmSync(at("_log"), { recursive: true });
  expect((await fixture.registry.resolve("prod", never)).hash).toBe(kept);
  const { entries } = await gc(fixture.registry, {}, true);
  expect(entries).toMatchObject([{ hash: other, deleted: true }]);
  expect(existsSync(at(`${kept}/metadata.json`))).toBe(true);
});

test("one entry that is missing in a log is made up for by the next, two are not", async () => {
  const hashes = await Promise.all(["a", "b", "c", "d"].map((text) => storeText(fixture.registry, text)));
  for (const hash of hashes) await fixture.registry.tag(move("prod", hash, { force: true }), never);
  renameSync(at(log("prod", 2)), at("two"));
  expect((await gc(fixture.registry, { keepMoves: 4 }, true)).summary).toMatchObject({
    kept: { tagged: 1, moved: 3 },
  });
  rmSync(at(log("prod", 3)));
  await expect(gc(fixture.registry, { keepMoves: 4 }, true)).rejects.toMatchObject({
    code: "GC_ABORTED",
    field: log("prod", 2),
  });
  renameSync(at("two"), at(log("prod", 2)));
  // A log whose tag a person has removed counts as well.
  rmSync(at("_tags/prod.txt"));
  expect((await gc(fixture.registry, { keepMoves: 4 }, false)).summary.kept).toEqual({ moved: 4 });
});

test("a model that is damaged is not deleted for what its metadata might say", async () => {
  const hash = await storeText(fixture.registry, "a");
  chmodSync(at(`${hash}/metadata.json`), 0o600);
  put(`${hash}/metadata.json`, "{}", 10);
  const policy = { keepMetadataJson: ['{"a":1}'] };
  await expect(gc(fixture.registry, policy, true)).rejects.toMatchObject({ code: "GC_ABORTED", field: hash });
});

test("remains, dead leases and dead tombstones go, live ones stay", async () => {
  const hash = await storeText(fixture.registry, "a");
  const [old, young, leased] = ["1".repeat(64), "2".repeat(64), "3".repeat(64)];
  const DAY = 86_400;
  put(`${old}/weights.bin`, "xxx", DAY);
  put(`${young}/weights.bin`, "xxx", 60);
  put(`${leased}/weights.bin`, "xxx", DAY);
  put(`_leases/${leased}.id.1.json`);
  put(`_leases/${hash}.id.1.json`, "{}", DAY);
  put(`_leases/stored/${hash}.id.json`, "{}", 2 * DAY);
  put(`_gc/${old}.id.json`, "{}", DAY);
  put(`_gc/${young}.id.json`, "{}", 10);
  const found = await gc(fixture.registry, { keepLast: 1 }, true);
  expect(found.entries).toMatchObject([{ hash: old, remains: true, deleted: true, bytes: 3 }]);
  expect(found.summary).toMatchObject({
    models: 1,
    kept: { last: 1 },
    litter: 3,
    deleted: 1,
    deletedBytes: 3,
  });
  expect(readdirSync(at("_leases"))).toEqual([`${leased}.id.1.json`, "stored"]);
  expect(readdirSync(at("_leases/stored"))).toEqual([]);
  expect(readdirSync(at("_gc"))).toEqual([`${young}.id.json`]);
  expect(existsSync(at(old))).toBe(false);
  expect(existsSync(at(young))).toBe(true);
});

test("a store waits for a collector and says nothing of a dead one", async () => {
  const hash = await storeText(fixture.registry, "a");
  put(`_gc/${hash}.dead.json`, "{}", 86_400);
  await fixture.registry.tag(move("one", hash), never);
  const live = `_gc/${hash}.live.json`;
  put(live);
  const storing = storeText(fixture.registry, "a");
  const tagging = fixture.registry.tag(move("two", hash), never);
  let done = false;
  void storing.then(() => {
    done = true;
  });
  await expect.poll(() => readdirSync(at("_leases")).filter((name) => name.startsWith(hash)).length).toBe(2);
  expect(done).toBe(false);
  rmSync(at(live));
  expect(await storing).toBe(hash);
  expect(await tagging).toMatchObject({ name: "two" });
  const stop = new AbortController();
  put(live);
  const waiting = fixture.registry.tag(move("three", hash), stop.signal);
  stop.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
});

test("cancelled in the middle it leaves no tombstone", async () => {
  for (let i = 0; i < 70; i++) await storeText(fixture.registry, `w${i}`);
  const stop = new AbortController();
  const request = { policy: NOTHING_KEPT, apply: true, actor: "" };
  let deleted = 0;
  const collecting = (async () => {
    for await (const { part } of fixture.registry.gc(request, stop.signal)) {
      if (part?.$case === "entry" && part.value.deleted && ++deleted === 1) stop.abort();
    }
  })();
  await expect(collecting).rejects.toThrow();
  expect(deleted).toBeGreaterThan(0);
  expect(readdirSync(at("_gc"))).toEqual([]);
  const models = readdirSync(at("")).filter((name) => name.length === 64);
  expect(models.length).toBeGreaterThan(0);
  expect((await gc(fixture.registry, {}, true)).summary.deleted).toBe(models.length);
});
