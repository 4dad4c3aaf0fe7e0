/** The workspace becomes what is recorded; nothing that is saved nowhere is lost. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { planFor } from "../../adapters/dvc/plan.ts";
import { faultOf, makeRoom, type Room } from "./room.ts";

let room: Room;
let first: string;

beforeEach(async () => {
  room = makeRoom({ git: false });
  room.write("d/a", "1");
  room.write("d/s/b", "22");
  first = (await room.add("d")).hash;
});
afterEach(() => room.remove());

/** The record of the first version, while the workspace holds a second, saved one. */
async function second(): Promise<void> {
  const record = room.read("d.dvc");
  room.write("d/a", "other");
  room.write("d/new", "3");
  rmSync(room.at("d/s"), { recursive: true });
  await room.add("d");
  room.write("d.dvc", record);
}

test("only what differs is touched, and what is too much goes", async () => {
  room.write("d/same", "same");
  await room.add("d");
  const record = room.read("d.dvc");
  const before = statSync(room.at("d/same"), { bigint: true });
  room.write("d/a", "other");
  room.write("d/more/x", "x");
  await room.add("d");
  room.write("d.dvc", record);
  expect(await room.status()).toEqual({ d: "modified" });
  expect(await room.checkout()).toMatchObject({ objects: 1, bytes: 1, present: 2 });
  expect(room.files()).toMatchObject({ "d/a": "1", "d/s/b": "22", "d/same": "same" });
  expect(existsSync(room.at("d/more"))).toBe(false);
  const after = statSync(room.at("d/same"), { bigint: true });
  expect([after.ino, after.ctimeNs]).toEqual([before.ino, before.ctimeNs]);
  expect(await room.checkout()).toMatchObject({ objects: 0, present: 3 });
  expect(room.told).toContainEqual({
    phase: "linking",
    bytesDone: 1,
    bytesTotal: 1,
    filesDone: 1,
    filesTotal: 1,
  });
});

test("unsaved changes stay unless they are given up", async () => {
  await second();
  room.write("d/new", "saved nowhere");
  const files = room.files();
  const fault = await faultOf(room.checkout());
  expect(fault).toMatchObject({ kind: "changed", field: room.at("d/new") });
  expect(room.files()).toEqual(files);
  await room.checkout({ force: true });
  expect(await room.status()).toEqual({ d: "unchanged" });
  expect(existsSync(room.at("d/new"))).toBe(false);
});

test("what was checked out has both hashes when they are asked for", async () => {
  const added = await room.hash("d");
  rmSync(room.at("d"), { recursive: true });
  await room.checkout();
  expect(await room.hash("d")).toEqual(added);
});

test("a part of a folder is checked out alone", async () => {
  await second();
  await room.checkout({ targets: ["d/s"] });
  expect(room.files()).toMatchObject({ "d/a": "other", "d/new": "3", "d/s/b": "22" });
  expect(await room.status("d/s", "d/a")).toEqual({ "d/s": "unchanged", "d/a": "modified" });
});

test("what is told of a part that was moved is the version of the whole, as recorded", async () => {
  const remote = `    url = ${room.home}/remote\n`;
  room.write(".dvc/config", `[core]\n    no_scm = True\n    remote = r\n['remote "r"']\n${remote}`);
  const whole = { hash: first, sha256: "", size: 3, files: 2, path: "d", recordedIn: "d.dvc" };
  const choice = { targets: ["d/s"], remote: "", force: false };
  const repository = await room.tool.open(room.root);
  expect(await repository.push(choice, room.work)).toMatchObject({ objects: 1, datasets: [whole] });
  expect(await repository.pull(choice, room.work)).toMatchObject({ objects: 0, datasets: [whole] });
});

test("a part whose listing is nowhere has no hash, and is not what lies there", async () => {
  rmSync(room.at(".dvc/cache"), { recursive: true });
  rmSync(room.at("d/s/b"));
  const entries = await (await room.tool.open(room.root)).status(["d/s"], room.work);
  const recorded = { hash: "", sha256: "", size: 0, files: 0, path: "d/s", recordedIn: "d.dvc" };
  const workspaceHash = "d751713988987e9331980363e24189ce.dir";
  expect(entries).toEqual([{ recorded, state: "modified", workspaceHash, missingInCache: 1 }]);
});

test("data and folders give way to each other", async () => {
  await second();
  rmSync(room.at("d/a"));
  mkdirSync(room.at("d/a/deep"), { recursive: true });
  room.write("d/s", "file");
  const fault = await faultOf(room.checkout());
  expect(fault).toMatchObject({ kind: "changed", field: room.at("d/s") });
  await room.checkout({ force: true });
  expect(await room.status()).toEqual({ d: "unchanged" });

  room.write("f", "f");
  await room.add("f");
  rmSync(room.at("f"));
  mkdirSync(room.at("f"));
  room.write("f/x", "1");
  await room.checkout({ targets: ["f"] });
  expect(room.read("f")).toBe("f");
  rmSync(room.at("d"), { recursive: true });
  room.write("d", "1");
  await room.checkout();
  expect(await room.status()).toEqual({ d: "unchanged", f: "unchanged" });
});

test("what .dvcignore leaves out is not removed, and stands in the way", async () => {
  room.write(".dvcignore", "*.tmp\n");
  room.write("d/keep.tmp", "k");
  await second();
  await room.checkout();
  expect(room.read("d/keep.tmp")).toBe("k");
  room.write("d.dvc", room.read("d.dvc").replace(/path: d/, "path: e"));
  room.write("e", "1");
  await room.checkout();
  expect(room.read("e/s/b")).toBe("22");
});

test("a link that leads out of the data is not written through", async () => {
  await second();
  mkdirSync(join(room.home, "out"));
  symlinkSync(join(room.home, "out"), room.at("d/s"));
  expect(await faultOf(room.checkout())).toMatchObject({ kind: "changed", field: room.at("d/s") });
  await room.checkout({ force: true });
  expect(readdirSync(join(room.home, "out"))).toEqual([]);
  expect(lstatSync(room.at("d/s")).isDirectory()).toBe(true);
});

test("the data of a hash is put anywhere, whole", async () => {
  const out = join(room.home, "far/away");
  expect(await room.checkout({ hash: first, path: out })).toMatchObject({ objects: 2, bytes: 3 });
  expect(readFileSync(join(out, "s/b"), "utf8")).toBe("22");
  writeFileSync(join(out, "a"), "mine");
  expect(await faultOf(room.checkout({ hash: first, path: out }))).toMatchObject({ kind: "changed" });
  await room.checkout({ hash: first, path: out, force: true });
  expect(readFileSync(join(out, "a"), "utf8")).toBe("1");
  await room.checkout({ hash: "b6d767d2f8ed5d21a44b0e5886680cb9", path: "two" });
  expect(room.read("two")).toBe("22");
  expect(await room.status()).toEqual({ d: "unchanged" });
  for (const path of ["", ".", "..", "/", ".dvc/x", ".git"]) {
    expect(await faultOf(room.checkout({ hash: first, path }))).toMatchObject({
      kind: "invalid",
      field: "path",
    });
  }
  expect(await faultOf(room.checkout({ hash: "d", path: "x" }))).toMatchObject({
    kind: "invalid",
    field: "hash",
  });
});

test("what nobody has is named before anything is touched", async () => {
  const nobody = "0".repeat(32);
  expect(await faultOf(room.checkout({ hash: nobody, path: "x" }))).toMatchObject({ kind: "not-found" });
  await second();
  const files = room.files();
  rmSync(room.at(room.object("b6d767d2f8ed5d21a44b0e5886680cb9")));
  const fault = await faultOf(room.checkout());
  expect(fault.kind).toBe("not-found");
  expect(fault.message).toContain("d/s/b");
  expect(room.files()).toEqual(files);
  const [entry] = await (await room.tool.open(room.root)).status([], room.work);
  expect(entry).toMatchObject({ missingInCache: 1, state: "modified" });
});

test("a damaged object of the cache is found by its mode and named, and stays until a whole one is there", async () => {
  await second();
  const object = room.object("c4ca4238a0b923820dcc509a6f75849b");
  chmodSync(room.at(object), 0o644);
  writeFileSync(room.at(object), "X");
  const fault = await faultOf(room.checkout());
  expect(fault).toMatchObject({ kind: "corrupt", field: "d/a" });
  expect(fault.message).toContain(room.at(object));
  expect(room.read(object)).toBe("X");
  rmSync(room.at("d"), { recursive: true });
  room.write("again", "1");
  await room.add("again");
  expect([room.read(object), room.mode(object)]).toEqual(["1", 0o444]);
});

test.each([
  ["outs:\n- md5: 123\n  path: d\n", "outs[0].md5"],
  ["outs:\n- md5: 00000000000000000000000000000zzz\n  hash: md5\n  path: d\n", "outs[0].md5"],
  ["outs:\n- path: 1\n", "outs[0].path"],
  ["outs: [\n", ":2"],
])("the record %j is refused, file and key named", async (text, where) => {
  room.write("d.dvc", text);
  const fault = await faultOf(room.status());
  expect(fault.kind).toBe("corrupt");
  expect(fault.field).toContain(where);
  expect(fault.field).toContain(room.at("d.dvc"));
});

test("a wrong but well-formed hash is a change, and digits alone are no number", async () => {
  room.write("d.dvc", `outs:\n- md5: ${"1".repeat(32)}\n  hash: md5\n  path: d\n`);
  const [entry] = await (await room.tool.open(room.root)).status([], room.work);
  expect(entry).toMatchObject({
    state: "modified",
    workspaceHash: first,
    recorded: { hash: "1".repeat(32) },
  });
});

test("what DVC 2 recorded is read by its own hash, and stays as it is", async () => {
  const record = "outs:\n- md5: 5d41402abc4b2a76b9719d911017c592\n  size: 7\n  path: old\n";
  room.write("old.dvc", "outs:\n- md5: e5828c564f71fea3a12dde8bd5d27063\n  size: 4\n  path: old\n");
  room.write("old", "a\r\nb\r\n");
  expect(await room.status("old")).toEqual({ old: "modified" });
  room.write(
    "old.dvc",
    record.replace(
      "5d41402abc4b2a76b9719d911017c592",
      room.run("sh", "-c", "printf 'a\\nb\\n' | md5sum").slice(0, 32),
    ),
  );
  expect(await room.status("old")).toEqual({ old: "unchanged" });
  expect(room.read("old.dvc")).not.toContain("hash:");
});

test("an executable file stays one, also where links would share its mode with the cache", async () => {
  writeFileSync(room.at(".dvc/config"), "[core]\n    no_scm = true\n[cache]\n    type = hardlink\n");
  room.write("run", "#!\n", 0o755);
  const { hash } = await room.add("run");
  rmSync(room.at("run"));
  await room.checkout({ targets: ["run"] });
  expect([room.mode("run") & 0o111, room.mode(room.object(hash))]).toEqual([0o100, 0o444]);
});

test("targets that nothing answers to are named", async () => {
  expect(await faultOf(room.status("none"))).toMatchObject({ kind: "invalid", field: "targets" });
  expect(await room.status("d.dvc", room.at("d"), ".")).toEqual({ d: "unchanged" });
});

test("a plan turns any folder into any other", () => {
  const names = fc.constantFrom<string[]>("a", "b", "a/x", "a/y", "b/z/w", "c");
  const isTree = (paths: string[]) =>
    paths.every((path) => !paths.some((other) => other.startsWith(`${path}/`)));
  const folder = fc
    .uniqueArray(names)
    .filter(isTree)
    .chain((paths) =>
      fc.tuple(
        ...paths.map((path) => fc.constantFrom<string[]>("1", "2").map((md5) => ({ relpath: path, md5 }))),
      ),
    );
  fc.assert(
    fc.property(folder, folder, (now, then) => {
      const current = new Map(now.map(({ relpath, md5 }) => [relpath, md5]));
      const wanted = {
        path: "/p",
        algorithm: "md5" as const,
        isFolder: true,
        entries: then,
        within: "",
        isExecutable: false,
      };
      const plan = planFor(wanted, { isFolder: true, files: [], folders: [], folderLinks: [] }, current);
      const result = new Map(current);
      for (const relpath of plan.removals) expect(result.delete(relpath)).toBe(true);
      for (const { relpath, md5 } of plan.placements) {
        expect(result.get(relpath)).not.toBe(md5);
        result.set(relpath, md5);
      }
      expect(result).toEqual(new Map(then.map(({ relpath, md5 }) => [relpath, md5])));
      const touched = new Set([...plan.removals, ...plan.placements.map(({ relpath }) => relpath)]);
      expect(new Set(plan.losses.map(({ relpath }) => relpath))).toEqual(
        new Set([...touched].filter((path) => current.has(path))),
      );
    }),
  );
});
