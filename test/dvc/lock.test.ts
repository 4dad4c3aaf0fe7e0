/** Locks within and between processes, and the claims of running stages. The real DVC's are in real-dvc.test.ts. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openLocked } from "../../adapters/dvc/flock.ts";
import { withLock } from "../../adapters/dvc/lock.ts";
import { Repository } from "../../adapters/dvc/repository.ts";
import { faultOf, makeRoom, type Room } from "./room.ts";

let room: Room;

beforeEach(() => {
  room = makeRoom({ git: false });
});
afterEach(() => room.remove());

const claims = (text: unknown): void => room.write(".dvc/tmp/rwlock", JSON.stringify(text));
/** A pid that nobody has. */
async function deadPid(): Promise<number> {
  const child = spawn("true");
  await once(child, "exit");
  return child.pid ?? 0;
}

test("a lock is one process's until its file is closed, though the command that took it has ended", async () => {
  const path = join(room.home, "lock");
  const held = await openLocked(path, 0o644);
  expect(await openLocked(path, 0o644)).toBeUndefined();
  await held?.close();
  const again = await openLocked(path, 0o644);
  expect(again).toBeDefined();
  await again?.close();
});

test("calls of one process follow each other", async () => {
  const repository = await Repository.open(room.root, room.context);
  const order: string[] = [];
  const work = (name: string) => async () => {
    order.push(`${name} begins`);
    await new Promise(setImmediate);
    order.push(`${name} ends`);
  };
  const { signal } = room.work;
  await Promise.all([
    withLock(repository, [], signal, work("a")),
    withLock(await Repository.open(room.root, room.context), [], signal, work("b")),
  ]);
  expect(order).toEqual(["a begins", "a ends", "b begins", "b ends"]);
});

test.each(["write", "read"])(
  "a path that a living process %ss is not written, nor what is above or below it",
  async (mode) => {
    const info = { pid: process.ppid, cmd: "dvc repro" };
    claims({ [mode]: { [room.at("d/sub")]: mode === "read" ? [info] : info } });
    room.write("d/sub/a", "a");
    room.write("e", "e");
    const fault = await faultOf(room.add("d"));
    expect(fault).toMatchObject({ kind: "locked", field: room.at("d/sub") });
    expect(fault.message).toContain(`${process.ppid}: dvc repro`);
    await room.add("e");
    const left = JSON.parse(room.read(".dvc/tmp/rwlock"));
    expect(left[mode]).toEqual({ [room.at("d/sub")]: mode === "read" ? [info] : info });
  },
);

test("claims of the dead count for nothing", async () => {
  const info = { pid: await deadPid(), cmd: "dvc repro" };
  room.write("d", "d");
  const own = { pid: process.pid, cmd: "of a daemon that had our pid" };
  claims({ write: { [room.at("d")]: info, [room.at("d/x")]: own }, read: { [room.root]: [info] } });
  await room.add("d");
  expect(JSON.parse(room.read(".dvc/tmp/rwlock")).write).toEqual({ [room.at("d/x")]: own });
  claims({ write: { [room.at("d")]: info }, read: { [room.root]: [info] } });
  await room.add("d");
  expect(JSON.parse(room.read(".dvc/tmp/rwlock"))).toEqual({ write: {}, read: {} });
});

test("a list of claims that cannot be read is named", async () => {
  room.write(".dvc/tmp/rwlock", "{");
  room.write("d", "d");
  expect(await faultOf(room.add("d"))).toMatchObject({ kind: "corrupt", field: room.at(".dvc/tmp/rwlock") });
});

test("claims end with a failed call, and the lock with it", async () => {
  const repository = await Repository.open(room.root, room.context);
  const failing = withLock(repository, [room.at("x")], room.work.signal, async () => {
    expect(Object.keys(JSON.parse(room.read(".dvc/tmp/rwlock")).write)).toEqual([room.at("x")]);
    throw new Error("on purpose");
  });
  await expect(failing).rejects.toThrow("on purpose");
  expect(JSON.parse(room.read(".dvc/tmp/rwlock")).write).toEqual({});
  const free = await openLocked(room.at(".dvc/tmp/lock"), 0o644);
  expect(free).toBeDefined();
  await free?.close();
});

test("locks by hard links are told to be none of ours", async () => {
  writeFileSync(room.at(".dvc/config"), "[core]\n    hardlink_lock = true\n");
  room.write("d", "d");
  expect(await faultOf(room.add("d"))).toMatchObject({ kind: "invalid", field: "core.hardlink_lock" });
});

test("reading takes no lock", async () => {
  room.write("d", "d");
  await room.add("d");
  const held = await openLocked(room.at(".dvc/tmp/lock"), 0o644);
  const content = readFileSync(room.at(".dvc/tmp/lock"), "utf8");
  expect(await room.status()).toEqual({ d: "unchanged" });
  expect(await room.hash("d")).toMatchObject({ recordedIn: "d.dvc" });
  expect(room.read(".dvc/tmp/lock")).toBe(content);
  await held?.close();
});
