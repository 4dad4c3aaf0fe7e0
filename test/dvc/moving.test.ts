/** Data that changes while it is worked on, and what is in its way: what a person has is not lost, nor taken for what was read. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { afterEach, expect, test } from "vitest";
import { faultOf, makeRoom, type Room } from "./room.ts";

const A = "0cc175b9c0f1b6a831c399e269772661";
const LINKS = ["copy", "hardlink", "symlink"];
let room: Room;

afterEach(() => room.remove());

function open(type: string): void {
  room = makeRoom({ git: false, config: `[cache]\n    type = ${type}\n` });
}

/** An editor's way to save: a new file under the old name. */
function save(path: string, text: string): void {
  writeFileSync(`${room.home}/edited`, text);
  renameSync(`${room.home}/edited`, room.at(path));
}

/** Runs `act` once what is at the path is there, before the call that makes it goes on. */
function onceThere(path: string, act: () => void): void {
  setImmediate(() => {
    // Held up, so that nothing of the call's runs between.
    const until = Date.now() + 4;
    while (!existsSync(room.at(path)) && Date.now() < until);
    if (existsSync(room.at(path))) act();
    else onceThere(path, act);
  });
}

test.each(LINKS)("what is saved while %s links are made stays", async (type) => {
  open(type);
  for (let file = 0; file < 30; file++) room.write(`d/${file}`, `${file}`);
  onceThere("d.dvc", () => save("d/9", "edited"));
  await room.add("d");
  expect(room.read("d/9")).toBe("edited");
  expect(await room.status()).toEqual({ d: "modified" });
});

test.each(LINKS)("what is saved while a checkout of %s links runs stays", async (type) => {
  open(type);
  const all = Array.from({ length: 60 }, (_, file) => `d/${file}`);
  for (const path of all) room.write(path, "1");
  await room.add("d");
  const record = room.read("d.dvc");
  for (const path of all) save(path, "2");
  await room.add("d");
  room.write("d.dvc", record);
  let edited = "";
  const work = {
    ...room.work,
    onProgress: ({ phase }: { phase: string }) => {
      if (phase !== "linking" || edited !== "") return;
      edited = all.findLast((path) => room.read(path) === "2") ?? "";
      save(edited, "edited");
      save("d/new", "new");
    },
  };
  const choice = { targets: [], hash: "", path: "", remote: "", force: false };
  const fault = await faultOf((await room.tool.open(room.root)).checkout(choice, work));
  expect(fault).toMatchObject({ kind: "changed", field: room.at(edited) });
  expect(room.read(edited)).toBe("edited");
  expect(room.read("d/new")).toBe("new");
});

test.each(LINKS)("a file that changes after it was read is not remembered as read: %s", async (type) => {
  open(type);
  room.write("a", "a");
  onceThere(room.object(A), () => save("a", "b"));
  await room.add("a").catch(() => undefined);
  expect(room.read("a")).toBe("b");
  expect((await room.hash("a")).hash).not.toBe(A);
});

test("a file that is written to while it becomes an object is none", async () => {
  open("hardlink");
  room.write("a", "a");
  onceThere(room.object(A), () => writeFileSync(room.at("a"), "b"));
  expect(await faultOf(room.add("a"))).toMatchObject({ kind: "unreadable", field: room.at("a") });
  expect(room.read("a")).toBe("b");
  expect(existsSync(room.at(room.object(A)))).toBe(false);
});

test.each(["hardlink", "symlink"])("what was written through a %s stays until it is added", async (type) => {
  open(type);
  room.write("a", "a");
  await room.add("a");
  chmodSync(room.at("a"), 0o644);
  writeFileSync(room.at("a"), "edited");
  expect(await room.status()).toEqual({ a: "modified" });
  expect(room.read("a")).toBe("edited");
  expect((await faultOf(room.checkout())).kind).toBe(type === "symlink" ? "changed" : "corrupt");
  expect(room.read("a")).toBe("edited");
  const { hash } = await room.add("a");
  expect([await room.status(), room.read("a"), room.read(room.object(hash))]).toEqual([
    { a: "unchanged" },
    "edited",
    "edited",
  ]);
});

test.runIf(process.getuid?.() === 0).each(["hardlink", "symlink"])(
  "an object that one wrote to, by a %s, who may write to all is doubted",
  async (type) => {
    open(type);
    room.write("d/a", "a");
    await room.add("d");
    const record = room.read("d.dvc");
    writeFileSync(room.at("d/a"), "edited");
    expect(await room.status()).toEqual({ d: "modified" });
    await room.add("d");
    room.write("d.dvc", record);
    expect(await faultOf(room.checkout())).toMatchObject({ kind: "corrupt", field: "d/a" });
    expect(room.read("d/a")).toBe("edited");
  },
);

test("nothing goes when not all of it can", async () => {
  open("copy");
  room.write("f", "f");
  await room.add("f");
  rmSync(room.at("f"));
  room.write("f/a", "f");
  room.write("f/ignored.tmp", "");
  room.write(".dvcignore", "*.tmp\n");
  expect(await faultOf(room.checkout())).toMatchObject({ kind: "changed" });
  expect(room.read("f/a")).toBe("f");
});

test("a person's dead link is not data, and is not lost", async () => {
  open("copy");
  room.write("d/a", "a");
  await room.add("d");
  rmSync(room.at("d"), { recursive: true });
  symlinkSync("/mnt/away", room.at("d"));
  expect(await faultOf(room.checkout())).toMatchObject({ kind: "changed", field: room.at("d") });
  expect(lstatSync(room.at("d")).isSymbolicLink()).toBe(true);
  await room.checkout({ force: true });
  mkdirSync(room.at("e"));
  expect(await room.status()).toEqual({ d: "unchanged" });
});

test("names as long as they may be; longer ones are refused", async () => {
  open("copy");
  const [most, more] = ["n".repeat(251), "n".repeat(252)];
  for (const name of [most, more]) room.write(name, "1");
  await room.add(most);
  expect(await room.status()).toEqual({ [most]: "unchanged" });
  expect(await faultOf(room.add(more))).toMatchObject({ kind: "invalid", field: more });
});
