/** What is added, what is refused, and that a refusal writes nothing. */
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { md5 } from "./remote-room.ts";
import { faultOf, makeRoom, type Room } from "./room.ts";

let room: Room;

beforeEach(() => {
  room = makeRoom();
});
afterEach(() => room.remove());

test("both hashes, size and number of files are told", async () => {
  room.write("data/b", "b");
  room.write("data/a", "aa");
  const added = await room.add("data");
  const sha256 = (text: string) => room.run("sh", "-c", `printf '${text}' | sha256sum`).slice(0, 64);
  expect(added).toEqual({
    hash: `${md5(`[{"md5": "${md5("aa")}", "relpath": "a"}, {"md5": "${md5("b")}", "relpath": "b"}]`)}.dir`,
    sha256: sha256(`${sha256("aa")}  a\\n${sha256("b")}  b\\n`),
    size: 3,
    files: 2,
    path: "data",
    recordedIn: "data.dvc",
  });
  expect(await room.hash("data")).toEqual(added);
  expect(room.told.at(-1)).toMatchObject({ filesDone: 2, filesTotal: 2, bytesDone: 3, bytesTotal: 3 });
  expect(room.mode(room.object(added.hash))).toBe(0o444);
});

test("a path may be absolute, or lead through a link from outside", async () => {
  room.write("sub/a", "a");
  symlinkSync(room.root, `${room.home}/link`);
  expect(await room.add(room.at("sub/a"))).toMatchObject({ path: "sub/a", recordedIn: "sub/a.dvc" });
  expect(await room.add(`${room.home}/link/sub/a`)).toMatchObject({ path: "sub/a" });
  expect(await (await room.tool.open(room.at("sub"))).status([], room.work)).toHaveLength(1);
});

test("what is added again is found changed, and its line in .gitignore stays one", async () => {
  room.write(".gitignore", "/other");
  room.write("a", "1");
  const first = await room.add("a");
  room.write("a", "2");
  const second = await room.add("a");
  expect(second.hash).not.toBe(first.hash);
  expect(room.read(".gitignore")).toBe("/other\n/a\n");
  expect(await room.status()).toEqual({ a: "unchanged" });
  expect(room.run("git", "status", "--porcelain", "-uall")).not.toMatch(/ a$/m);
});

test("outputs of a file that lie elsewhere stay as they are", async () => {
  const record = (hash: string) => `outs:
- md5: ${md5("far")}
  size: 3
  hash: md5
  path: s3://bucket/far
- md5: ${md5("other")}
  size: 5
  hash: md5
  path: other
- md5: ${hash}
  size: 1
  hash: md5
  path: x
`;
  room.write("x.dvc", record(md5("1")));
  room.write("x", "2");
  expect(await room.add("x")).toMatchObject({ hash: md5("2"), recordedIn: "x.dvc" });
  expect(room.read("x.dvc")).toBe(record(md5("2")));
});

const CASES: Readonly<
  Record<string, { make: (at: Room) => unknown; path: string; says: RegExp; kind?: string }>
> = {
  nothing: { make: () => undefined, path: "none", says: /does not exist/, kind: "unreadable" },
  "an empty path": { make: () => undefined, path: "", says: /empty/ },
  "the root": { make: () => undefined, path: ".", says: /does not lie in/ },
  "what lies outside": {
    make: (at) => writeFileSync(`${at.home}/x`, ""),
    path: "../x",
    says: /does not lie in/,
  },
  "DVC's own folder": { make: () => undefined, path: ".dvc/config", says: /ignored/ },
  "a .dvc file": { make: (at) => at.write("x.dvc", "outs: []\n"), path: "x.dvc", says: /DVC's own/ },
  "an ignored file": {
    make: (at) => [at.write(".dvcignore", "x\n"), at.write("x", "")],
    path: "x",
    says: /ignored by .dvcignore/,
  },
  "an ignore file inside": {
    make: (at) => at.write("d/s/.dvcignore", "x\n"),
    path: "d",
    says: /lies in the data/,
  },
  "a linked folder": {
    make: (at) => [at.write("d/a", ""), symlinkSync("d", at.at("l"))],
    path: "l",
    says: /symbolic link/,
  },
  "a file behind a link": {
    make: (at) => [at.write("d/a", ""), symlinkSync("d", at.at("l"))],
    path: "l/a",
    says: /symbolic link/,
  },
  "a pipe": { make: (at) => at.run("mkfifo", "p"), path: "p", says: /cannot be read/, kind: "unreadable" },
  "a dead link inside": {
    make: (at) => [at.write("d/a", ""), symlinkSync("none", at.at("d/l"))],
    path: "d",
    says: /does not exist/,
    kind: "unreadable",
  },
  "what Git tracks": {
    make: (at) => [at.write("d/a", ""), at.run("git", "add", "d")],
    path: "d",
    says: /tracked by Git/,
  },
  "a part of other data": {
    make: async (at) => [at.write("d/a", "1"), await at.add("d")],
    path: "d/a",
    says: /part of d/,
  },
  "what has added parts": {
    make: async (at) => [at.write("d/a", "1"), await at.add("d/a")],
    path: "d",
    says: /a part of d/,
  },
  "an output of a stage": {
    make: (at) => [at.write("x", ""), at.write("dvc.yaml", "stages:\n  t:\n    cmd: c\n    outs: [x]\n")],
    path: "x",
    says: /output of the stage t/,
  },
  "an import": {
    make: (at) => [at.write("x", ""), at.write("x.dvc", "deps:\n- path: /far\nouts:\n- path: x\n")],
    path: "x",
    says: /is imported/,
  },
  "a record of something else": {
    make: (at) => [at.write("x", ""), at.write("x.dvc", "outs: []\n")],
    path: "x",
    says: /records something else/,
  },
  "data behind a wrong record": {
    make: (at) => [at.write("x", ""), at.write("y.dvc", "outs:\n- md5: nonsense\n  hash: md5\n  path: y\n")],
    path: "x",
    says: /outs\[0\]\.md5 in .*y\.dvc/,
    kind: "corrupt",
  },
};

test.each(Object.keys(CASES))("%s is refused before anything is written", async (name) => {
  const { make, path, says, kind = "invalid" } = CASES[name] as (typeof CASES)[string];
  await make(room);
  const [files, ignored] = [room.files(), existsSync(room.at(".gitignore")) ? room.read(".gitignore") : ""];
  const fault = await faultOf(room.add(path));
  expect(fault).toMatchObject({ kind });
  expect(fault.message).toMatch(says);
  expect(fault.mend).not.toBe("");
  expect(room.files()).toEqual(files);
  expect(existsSync(room.at(".gitignore")) ? room.read(".gitignore") : "").toBe(ignored);
});

test("a folder that is in no repository is named", async () => {
  const fault = await faultOf(room.tool.open("/proc"));
  expect(fault).toMatchObject({ kind: "invalid", field: "repo" });
  expect((await faultOf(room.tool.open("relative"))).message).toContain("not absolute");
  expect(await room.tool.hash(room.at(".dvc/config"), room.work)).toMatchObject({ recordedIn: "", files: 1 });
});

test("a call that is stopped leaves no temporary file, and the lock is free", async () => {
  for (let file = 0; file < 40; file++) room.write(`d/${file}`, Buffer.alloc(100_000, file));
  const stop = new AbortController();
  const work = { signal: stop.signal, onProgress: () => stop.abort(new Error("stopped")) };
  await expect(room.add("d", work)).rejects.toThrow("stopped");
  expect(readdirSync(room.at(".dvc/cache/pkx-tmp"))).toEqual([]);
  expect(existsSync(room.at("d.dvc"))).toBe(false);
  await room.add("d");
  expect(await room.status()).toEqual({ d: "unchanged" });
});

test("what killed calls have left is removed: at once where the lock is ours alone, else when it is old", async () => {
  room.write("d", "d");
  room.write(".dvc/tmp/pkx-left/a", "");
  room.write(".dvc/tmp/other", "");
  room.write(".dvc/cache/pkx-tmp/old", "");
  room.write(".dvc/cache/pkx-tmp/new", "");
  const dayBefore = new Date(Date.now() - 25 * 3600 * 1000);
  utimesSync(room.at(".dvc/cache/pkx-tmp/old"), dayBefore, dayBefore);
  await room.add("d");
  expect(existsSync(room.at(".dvc/tmp/pkx-left"))).toBe(false);
  expect(existsSync(room.at(".dvc/tmp/other"))).toBe(true);
  expect(readdirSync(room.at(".dvc/cache/pkx-tmp"))).toEqual(["new"]);
});

test("many files and a large one are hashed by threads as by one", async () => {
  for (let file = 0; file < 300; file++) room.write(`d/${file % 7}/${file}`, `${file}`.repeat(file));
  room.write("large", Buffer.alloc(40 * 1024 * 1024, "large"));
  const large = await room.add("large");
  expect(large.hash).toBe(room.run("md5sum", "large").slice(0, 32));
  expect(large.sha256).toBe(room.run("sha256sum", "large").slice(0, 64));
  const folder = await room.add("d");
  const sums = room.run(
    "sh",
    "-c",
    "cd d && find . -type f | sed 's|^./||' | LC_ALL=C sort | xargs sha256sum | sha256sum",
  );
  expect(folder.sha256).toBe(sums.slice(0, 64));
});

test("a file whose times were set back is read again when anything else of it changed", async () => {
  room.write("a", "one");
  const when = new Date(1_600_000_000_000);
  utimesSync(room.at("a"), when, when);
  const first = await room.hash("a");
  room.write("a", "two");
  utimesSync(room.at("a"), when, when);
  expect((await room.hash("a")).hash).not.toBe(first.hash);
});

test("a new repository's folders and files are as open as its .dvc", async () => {
  const before = process.umask(0o077);
  try {
    room.write("d/s/a", "a");
    await room.add("d");
    rmSync(room.at("d"), { recursive: true });
    await room.checkout();
  } finally {
    process.umask(before);
  }
  expect([
    room.mode("d"),
    room.mode("d/s"),
    room.mode("d/s/a"),
    room.mode("d.dvc"),
    room.mode(".dvc/tmp/lock"),
  ]).toEqual([0o755, 0o755, 0o644, 0o644, 0o644]);
});

test("an empty folder is data, too", async () => {
  mkdirSync(room.at("void"));
  expect(await room.add("void")).toMatchObject({
    hash: "d751713988987e9331980363e24189ce.dir",
    files: 0,
    size: 0,
  });
  rmSync(room.at("void"), { recursive: true });
  await room.checkout();
  expect(readdirSync(room.at("void"))).toEqual([]);
});
