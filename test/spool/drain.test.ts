/** What dead clients leave is journaled once, in order, and nothing that they leave can hurt the daemon. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { crc32 } from "node:zlib";
import { PipekitError } from "@pipekit/proto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seeded } from "../support/random.ts";
import { GOLDEN, type Row, SpoolRoom } from "./room.ts";

const PYTHON = resolve(import.meta.dirname, "../../.venv/bin/python");
const SOURCES = resolve(import.meta.dirname, "../../clients/python/src");
const children: ChildProcess[] = [];
let room: SpoolRoom;

beforeEach(() => {
  room = new SpoolRoom();
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await room.end();
});

function series(rows: readonly Row[], key: string): number[] {
  return rows.flatMap(({ values }) => values[key] ?? []);
}

function expectGolden(): void {
  const rows = room.rows();
  for (const [key, count] of Object.entries(GOLDEN.rows)) expect(series(rows, key), key).toHaveLength(count);
  expect(rows).toHaveLength(1 + 3 + 2 + 300);
  expect(rows.slice(1, 4).map(({ step, values }) => [step, values])).toEqual(
    [1, 2, 3].map((step) => [BigInt(step), { framed: step, "ü/ß": -0 }]),
  );
  expect(rows[4]).toMatchObject({ step: -(2n ** 53n) + 1n, values: { row: 1, b: 2.5 } });
  expect(rows[5]).toMatchObject({
    step: 2n ** 53n - 1n,
    values: { row: Number.NaN, b: Number.POSITIVE_INFINITY },
  });
  expect(series(rows.slice(6), "wide0")).toEqual(Array.from({ length: 300 }, (_, i) => i));
  expect(new Set(rows.slice(4).map(({ timeUs }) => timeUs))).toEqual(new Set([BigInt(GOLDEN.timeUs)]));
  const kinds = room.frames.flatMap(({ records }) => records.map(({ record }) => record?.$case));
  expect(kinds.slice(0, 6)).toEqual(["start", "metrics", "metrics", "metrics", "params", "metrics"]);
  expect(room.frames.map(({ seq }) => seq)).toEqual(room.frames.map((_, i) => i + 1));
}

test("ring and spool file that Python wrote come in whole, under their numbers", async () => {
  room.putRing();
  room.putSpool();
  await room.drain().look();
  expectGolden();
  expect(room.left()).toEqual([]);
  // Points on a device, and the torn end, are told.
  expect(room.loud()).toHaveLength(1);
  expect(room.loud()[0]?.fields).toMatchObject({
    heldPoints: GOLDEN.heldPoints,
    tornRows: 1,
    lostFrames: 0,
  });
});

test("frames that had arrived are not journaled again", async () => {
  room.putRing();
  room.putSpool();
  await room.drain().look();
  const first = [...room.frames];
  for (let arrived = 1; arrived <= first.length; arrived++) {
    room.frames.splice(0, room.frames.length, ...first.slice(0, arrived));
    room.putRing();
    if (arrived < 2) room.putSpool();
    await room.drain().look();
    expect(room.frames).toEqual(first);
  }
});

test("a daemon that dies while it hands over makes the same frames again", async () => {
  room.putRing();
  room.putSpool();
  await room.drain().look();
  const all = [...room.frames];
  for (let seq = 1; seq <= all.length; seq++) {
    room.frames.length = 0;
    room.runs.clear();
    room.putRing();
    room.putSpool();
    room.failAt = { seq, error: new PipekitError("DAEMON_UNAVAILABLE", "Draining.") };
    await room.drain().look();
    expect(room.left()).toHaveLength(2);
    await room.drain().look();
    expect(room.frames).toEqual(all);
    expect(room.left()).toEqual([]);
  }
});

test("frames of a forked child wait for the start of their run", async () => {
  room.putRing();
  const drain = room.drain();
  await drain.look();
  expect(room.frames).toEqual([]);
  expect(drain.holds(GOLDEN.runId)).toBe(true);
  expect([...drain.livingRuns()]).toEqual([]);
  expect(room.left()).toHaveLength(1);
});

test("what an ended run refuses is told with its points, and removed", async () => {
  room.putRing();
  room.putSpool();
  room.refuse.set(GOLDEN.runId, "RUN_ENDED");
  await room.drain().look();
  expect(room.left()).toEqual([]);
  expect(room.loud()).toHaveLength(1);
  expect(Number(room.loud()[0]?.fields["refused"])).toBeGreaterThan(60_000);
});

test("a lost spool file costs its frames, and is told", async () => {
  room.putRing();
  room.runs.add(GOLDEN.runId);
  await room.drain().look();
  expect(series(room.rows(), "framed")).toEqual([1, 2, 3]);
  expect(series(room.rows(), "spooled")).toEqual([]);
  expect(room.loud()[0]?.fields).toMatchObject({ lostFrames: 2 });
});

test("frames that a dead writer had let go, and that the journal lacks since a restore, are told of", async () => {
  room.putRing();
  room.runs.add(GOLDEN.runId);
  await room.drain().look();
  const all = [...room.frames];
  const first = all.findIndex(({ records }) => records.length > 0);
  expect(first).toBe(2);
  const { runId, writerId } = GOLDEN;
  expect(room.lost).toEqual([{ runId, writerId, from: 1, to: first }]);
  room.putRing();
  room.frames.splice(first);
  room.lost.length = 0;
  await room.drain().look();
  expect(room.lost, "those that the journal has").toEqual([]);
});

test("whatever damage: no crash, no row that nobody logged, none twice, none out of order", {
  timeout: 60_000,
}, async () => {
  room.putRing();
  room.putSpool();
  await room.drain().look();
  const whole = room.rows().map(({ step, values }) => JSON.stringify([String(step), values]));
  const random = seeded(11);
  const used = Buffer.from(GOLDEN.ring.map((byte) => (byte !== 0 ? 1 : 0))).lastIndexOf(1);
  for (let round = 0; round < 60; round++) {
    const [ring, spool] = [Buffer.from(GOLDEN.ring), Buffer.from(GOLDEN.spool)];
    const target = random() < 0.8 ? ring : spool;
    const reach = random() < 0.4 ? 512 : Math.min(used, target.length);
    for (let i = 0; i <= random() * 3; i++) {
      const at = Math.floor(random() * Math.min(reach, target.length));
      const length = Math.ceil(random() * 16);
      for (let j = at; j < Math.min(at + length, target.length); j++) target[j] = Math.floor(random() * 256);
    }
    const short = random() < 0.2 ? ring.subarray(0, Math.floor(random() * ring.length)) : ring;
    room.frames.length = 0;
    room.lines.length = 0;
    room.putRing(short);
    room.putSpool(spool);
    await room.drain().look();
    const found = room.rows().map(({ step, values }) => JSON.stringify([String(step), values]));
    let at = -1;
    for (const row of found) {
      at = whole.indexOf(row, at + 1);
      expect(at, `round ${round}`).toBeGreaterThanOrEqual(0);
    }
    if (found.length < whole.length) expect(room.loud().length, `round ${round}`).toBeGreaterThan(0);
  }
});

test("headers that lie, links, folders and foreign files are left alone, and each told once", async () => {
  const lie = (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(GOLDEN.ring);
    change(bytes);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 116)), 116);
    return bytes;
  };
  const id = (n: number) => `01J00000000000000000000${String(n).padStart(3, "0")}`;
  room.putRing(
    lie((bytes) => bytes.writeUInt32LE(0xffff_fff8, 16)),
    id(1),
  );
  room.putRing(
    lie((bytes) => bytes.writeUInt32LE(0xffff_ffff, 20)),
    id(2),
  );
  room.putRing(
    lie((bytes) => bytes.writeUInt32LE(0xffff_ffff, 12)),
    id(3),
  );
  room.putRing(
    lie((bytes) => bytes.writeUInt32LE(3, 16)),
    id(4),
  );
  room.putRing(Buffer.alloc(0), id(5));
  room.putSpool(Buffer.from("PKXSPL9\n"), id(6));
  symlinkSync("/etc/passwd", join(room.ringsFolder, `${id(7)}.ring`));
  mkdirSync(join(room.spoolFolder, `${id(8)}.frames`));
  writeFileSync(join(room.ringsFolder, "notes.txt"), "");
  const before = room.left();
  const drain = room.drain();
  await drain.look();
  await drain.look();
  expect(room.left()).toEqual(before);
  expect(room.frames).toEqual([]);
  expect(room.loud()).toHaveLength(8);
});

test("a ring under another writer's name does not pass for that writer", async () => {
  const other = "01J0000000000000000000WR99";
  room.putRing(GOLDEN.ring, other);
  room.runs.add(GOLDEN.runId);
  await room.drain().look();
  expect(room.frames).toHaveLength(0);
});

/** Python that logs without a daemon and waits. */
async function trainer(): Promise<ChildProcess> {
  const program = `
import time, warnings
warnings.simplefilter("ignore")
import pipekit_experiment as pe
run = pe.start_run("t")
for step in range(1000):
    run.log({"a": float(step)}, step)
print(run.run_id, flush=True)
time.sleep(600)
`;
  const env = {
    ...process.env,
    PYTHONPATH: SOURCES,
    PKX_STATE_DIR: room.home,
    PKX_ENDPOINT: `unix:${join(room.home, "d.sock")}`,
  };
  const child = spawn(PYTHON, ["-c", program], { env, stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  return child;
}

test("a living writer is let alone, and handed over once it is killed", { timeout: 30_000 }, async () => {
  const child = await trainer();
  const [line] = await once(child.stdout as NodeJS.ReadableStream, "data");
  const runId = String(line).trim();
  const drain = room.drain();
  await drain.look();
  expect([...drain.livingRuns()]).toEqual([runId]);
  expect(drain.holds(runId)).toBe(true);
  expect(room.frames).toEqual([]);
  child.kill("SIGKILL");
  await once(child, "exit");
  await drain.look();
  expect(drain.holds(runId)).toBe(false);
  expect(series(room.rows(), "a")).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  expect(room.left()).toEqual([]);
  expect(room.loud()).toEqual([]);
});

test("a pid that another process has by now is no sign of life, one in another namespace is left alone", {
  timeout: 30_000,
}, async () => {
  const child = await trainer();
  await once(child.stdout as NodeJS.ReadableStream, "data");
  const name = readdirSync(room.ringsFolder).find((one) => one.endsWith(".ring")) ?? "";
  const path = join(room.ringsFolder, name);
  const living = readFileSync(path);
  const changed = (at: number, value: bigint) => {
    const bytes = Buffer.from(living);
    bytes.writeBigUInt64LE(value, at);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 116)), 116);
    return bytes;
  };
  child.kill("SIGKILL");
  await once(child, "exit");
  const drain = room.drain();
  // The namespace first: its pid means nothing here.
  writeFileSync(path, changed(40, 1n));
  await drain.look();
  expect(room.frames).toEqual([]);
  expect(room.loud()[0]?.message).toContain("another pid namespace");
  // This process has the pid; it was started at another time.
  writeFileSync(path, changed(24, BigInt(process.pid)));
  await drain.look();
  expect(room.left()).toEqual([]);
  expect(series(room.rows(), "a")).toHaveLength(1000);
});

test("a spool file of the first clients belongs to whoever holds its lock", { timeout: 30_000 }, async () => {
  const header = 8 + 40 + 8;
  room.putSpool(Buffer.concat([Buffer.from("PKXSPL1\n"), GOLDEN.spool.subarray(header)]));
  const path = join(room.spoolFolder, room.left()[0] ?? "");
  const program =
    "import fcntl, sys, time; f = open(sys.argv[1]); fcntl.flock(f, 2); print(flush=True); time.sleep(600)";
  const child = spawn(PYTHON, ["-c", program, path], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  await once(child.stdout as NodeJS.ReadableStream, "data");
  const drain = room.drain();
  await drain.look();
  expect([...drain.livingRuns()]).toEqual([GOLDEN.runId]);
  expect(room.frames).toEqual([]);
  child.kill("SIGKILL");
  await once(child, "exit");
  await drain.look();
  expect(room.left()).toEqual([]);
  expect(series(room.rows(), "spooled")).toHaveLength(1);
  expect(room.loud()).toEqual([]);
});
