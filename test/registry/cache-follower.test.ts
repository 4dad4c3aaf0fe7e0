/** A digest that is made while the file is being written. */
import { randomBytes } from "node:crypto";
import { appendFile, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Prefix } from "../../adapters/s3/prefix.ts";
import { Follower } from "../../daemon/registry/cache/follower.ts";
import { never, sha256 } from "../contract/registry-harness.ts";

const MIB = 1024 * 1024;

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pkx-follower-"));
  path = join(folder, "file");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("is that of all bytes, whatever the steps in which they came", async () => {
  const content = randomBytes(5 * MIB + 7);
  const follower = new Follower(path);
  expect(follower.follows).toBe(false);
  await writeFile(path, "");
  let there = 0;
  for (const step of [1, 2 * MIB, 0, 3, MIB, 2 * MIB, MIB]) {
    await appendFile(path, content.subarray(there, there + step));
    there = Math.min(content.length, there + step);
    follower.upTo(there);
  }
  expect(follower.follows).toBe(true);
  const told: number[] = [];
  const digest = await follower.digest(never, (done) => told.push(done));
  expect(digest).toEqual({ sha256: sha256(content), size: content.length });
  expect(told.at(-1)).toBe(content.length);
  await follower.close();
});

test("of a file that is cut short is of fewer bytes, and of a removed one fails", async () => {
  await writeFile(path, randomBytes(100));
  const cut = new Follower(path);
  await truncate(path, 50);
  cut.upTo(100);
  expect(await cut.digest(never)).toMatchObject({ size: 50 });
  await cut.close();
  const gone = new Follower(join(folder, "gone"));
  gone.upTo(1);
  await expect(gone.digest(never)).rejects.toThrow("ENOENT");
  await gone.close();
});

test("is given up when the call is cancelled", async () => {
  await writeFile(path, randomBytes(3 * MIB));
  const follower = new Follower(path);
  const stop = new AbortController();
  follower.upTo(3 * MIB);
  const digest = follower.digest(stop.signal);
  stop.abort(new Error("enough"));
  await expect(digest).rejects.toThrow("enough");
  await follower.close();
});

test("a prefix grows over the pieces that came before their turn", () => {
  const prefix = new Prefix();
  expect([prefix.add(20, 5), prefix.add(0, 10), prefix.add(25, 1), prefix.add(10, 10)]).toEqual([
    0, 10, 10, 26,
  ]);
});
