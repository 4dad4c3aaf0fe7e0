/** Files of a repository that were made to do harm: nothing outside of the data is touched, and what is wrong is named. */
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { faultOf, makeRoom, type Room } from "./room.ts";

const MD5 = "c4ca4238a0b923820dcc509a6f75849b";
let room: Room;
let out: string;

beforeEach(async () => {
  room = makeRoom();
  out = join(room.home, "out");
  mkdirSync(out);
  room.write("one", "1");
  await room.add("one");
});
afterEach(() => room.remove());

function record(path: string, hash = MD5): void {
  room.write("evil.dvc", `outs:\n- md5: ${hash}\n  hash: md5\n  isexec: true\n  path: ${path}\n`);
}

/** Puts a listing into the cache, and returns its hash. */
function listing(entries: readonly { readonly md5: string; readonly relpath: string }[]): string {
  const text = JSON.stringify(entries);
  const hash = `${createHash("md5").update(text).digest("hex")}.dir`;
  room.write(room.object(hash), text, 0o444);
  return hash;
}

test.each([
  ["outside of the repository", "../out/x"],
  ["at an absolute path", "/tmp/pkx-evil"],
  ["in Git's folder", ".git/hooks/post-checkout"],
  ["in DVC's folder", ".dvc/config.local"],
  ["in the folder of a repository below", "sub/.git/config"],
  ["at the root", "."],
  ["behind a link", "link/x"],
  ["behind a link that leads to the repository's own", "self/one"],
])("a record of data %s puts nothing there", async (_, path) => {
  symlinkSync(out, room.at("link"));
  symlinkSync(room.root, room.at("self"));
  mkdirSync(room.at("sub"));
  record(path);
  for (const force of [false, true]) {
    expect(await faultOf(room.checkout({ force }))).toMatchObject({
      kind: "invalid",
      field: room.at("evil.dvc"),
    });
  }
  expect(readdirSync(out)).toEqual([]);
  expect(existsSync(room.at(path)) && path !== "." && path !== "self/one").toBe(false);
  expect(room.read("one")).toBe("1");
});

test("data whose folder became a link is not written through it", async () => {
  room.write("d/a", "1");
  await room.add("d");
  room.write("d.dvc", room.read("d.dvc").replace(/md5: .*/, `md5: ${listing([{ md5: MD5, relpath: "b" }])}`));
  rmSync(room.at("d"), { recursive: true });
  writeFileSync(join(out, "a"), "1");
  symlinkSync(out, room.at("d"));
  expect(await faultOf(room.checkout())).toMatchObject({ kind: "changed", field: room.at("d") });
  await room.checkout({ force: true });
  expect(readFileSync(join(out, "a"), "utf8")).toBe("1");
  expect(readdirSync(out)).toEqual(["a"]);
  expect(lstatSync(room.at("d")).isDirectory()).toBe(true);
  expect(readdirSync(room.at("d"))).toEqual(["b"]);
});

test.each([["../x"], ["/x"], ["a//b"], ["a/./b"], ["a\0b"], ["\ud800"], [".git/hooks/x"], ["s/.dvc/config"]])(
  "a listing with the path %j is refused",
  async (relpath) => {
    record("d", listing([{ md5: MD5, relpath }]));
    expect(await faultOf(room.checkout())).toMatchObject({ kind: "corrupt" });
    expect(existsSync(room.at("d"))).toBe(false);
  },
);

test.each([[["a", "a"]], [["a", "a/b"]], [["a/b", "a-c", "a"]]])(
  "a listing in which paths collide is refused: %j",
  async (paths) => {
    record("d", listing(paths.map((relpath) => ({ md5: MD5, relpath }))));
    expect(await faultOf(room.checkout())).toMatchObject({ kind: "corrupt" });
    expect(existsSync(room.at("d"))).toBe(false);
  },
);

test.each([
  [
    "a bomb of aliases",
    `a: &a [x]\n${"bcdefghij"
      .split("")
      .map((key, at) => `${key}: &${key} [${`*${"abcdefghi"[at]},`.repeat(9)}]`)
      .join("\n")}\nouts: []\n`,
  ],
  ["deep nesting", `outs: ${"[".repeat(20_000)}`],
  ["a path with NUL", `outs:\n- md5: ${MD5}\n  hash: md5\n  path: "a\\0b"\n`],
  ["no mapping", "just text\n"],
  ["bytes", "\x80\x00\xff"],
])("a record with %s is named", async (_, text) => {
  room.write("evil.dvc", text);
  const fault = await faultOf(room.status());
  expect(fault.kind).toBe("corrupt");
  expect(fault.field).toContain(room.at("evil.dvc"));
});

test("a lock that is a link is not written through", async () => {
  writeFileSync(join(out, "precious"), "precious");
  for (const name of ["lock", "rwlock", "rwlock.lock"]) {
    rmSync(room.at(".dvc/tmp"), { recursive: true });
    mkdirSync(room.at(".dvc/tmp"));
    symlinkSync(join(out, "precious"), room.at(`.dvc/tmp/${name}`));
    expect(await faultOf(room.checkout({ targets: ["one"] }))).toMatchObject({
      field: room.at(`.dvc/tmp/${name}`),
    });
    expect(readFileSync(join(out, "precious"), "utf8")).toBe("precious");
  }
});

test("what the system refuses is told with its path", async () => {
  rmSync(room.at(".dvc/tmp/lock"));
  mkdirSync(room.at(".dvc/tmp/lock"));
  expect(await faultOf(room.checkout())).toMatchObject({
    kind: "unreadable",
    field: room.at(".dvc/tmp/lock"),
  });
});
