/** Git's files as Git writes them. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findGit } from "../../adapters/dvc/git.ts";
import { trackedPaths } from "../../adapters/dvc/git-index.ts";
import { faultOf, makeRoom, type Room } from "./room.ts";

let room: Room;

beforeEach(() => {
  room = makeRoom();
});
afterEach(() => room.remove());

test.each([2, 3, 4])("an index of version %i is read", (version) => {
  const paths = [
    "a",
    "a b/é😀",
    "d/e/f",
    "d/e/fg",
    "d/e/fgh/i",
    "z",
    `long/${"x".repeat(150)}`,
    `long/${"x".repeat(149)}y`,
  ];
  for (const path of paths) room.write(path, path);
  room.run("git", "update-index", "--index-version", String(version));
  room.run("git", "add", "a", "a b", "d", "long", "z");
  // A flag of version 3: without one, Git writes version 2.
  if (version === 3) {
    room.write("intent", "");
    room.run("git", "add", "-N", "intent");
    paths.push("intent");
  }
  expect([...trackedPaths(room.at(".git/index"), 20)].toSorted()).toEqual(paths.toSorted());
  const git = findGit(room.at("d"));
  expect(["d", "d/e", "d/e/f", "d/e/x", "a b", "lon"].map((path) => git?.tracks(room.at(path)))).toEqual([
    true,
    true,
    true,
    false,
    true,
    false,
  ]);
});

test("an index that cannot be read is named", async () => {
  room.write(".git/index", "nonsense");
  room.write("d", "d");
  expect(await faultOf(room.add("d"))).toMatchObject({ kind: "invalid", field: room.at(".git/index") });
});

test("an index of SHA-256 is read; one that is split or cut short is named", async () => {
  room.write("t/a", "1");
  room.write("t/long-name", "1");
  room.run("rm", "-r", ".git");
  room.run("git", "init", "-q", "--object-format=sha256");
  room.run("git", "add", "t");
  expect((await faultOf(room.add("t"))).message).toContain("tracked by Git");
  room.write("new", "1");
  const whole = readFileSync(room.at(".git/index"));
  const named = { kind: "invalid", field: room.at(".git/index") };
  for (const length of [5, 12, 60, whole.length - 70]) {
    writeFileSync(room.at(".git/index"), whole.subarray(0, length));
    expect(await faultOf(room.add("new"))).toMatchObject(named);
  }
  writeFileSync(room.at(".git/index"), whole);
  room.run("git", "update-index", "--split-index");
  expect(await faultOf(room.add("t/a"))).toMatchObject(named);
});

test("a worktree's own index and the shared excludes count", () => {
  room.write("a", "a");
  room.run("git", "add", "a");
  room.run("git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x");
  room.run("git", "worktree", "add", "-q", join(room.home, "tree"));
  room.write(".git/info/exclude", "skipped/\n");
  mkdirSync(join(room.home, "tree/skipped"));
  const git = findGit(join(room.home, "tree/skipped"));
  expect(git?.root).toBe(join(room.home, "tree"));
  expect(git?.tracks(join(room.home, "tree/a"))).toBe(true);
  expect(git?.ignores(join(room.home, "tree/skipped"), true)).toBe(true);
});

test("records where Git ignores are not looked for", async () => {
  room.write("sub/a", "a");
  await room.add("sub/a");
  room.write("env/b.dvc", "no yaml: [");
  room.write(".gitignore", "/env/\n");
  expect(await room.status()).toEqual({ "sub/a": "unchanged" });
});

test("core.autostage adds what was written to Git", async () => {
  room.write(".dvc/config", "[core]\n    autostage = true\n");
  room.write("a", "a");
  await room.add("a");
  expect(room.run("git", "diff", "--cached", "--name-only").split("\n")).toEqual([".gitignore", "a.dvc", ""]);
  expect(room.notes).toEqual([]);
});
