import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { Frame, type SyncResponse } from "@pipekit/proto";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openForeignJournal } from "../../daemon/journal/index.ts";
import { RpcRoom, SINK, Writer } from "./room.ts";

const NEW = "fake:b/x";
const log = pino({ level: "silent" });
let here: RpcRoom;
let there: RpcRoom;

beforeEach(async () => {
  const open = (file: string) => openForeignJournal(file, log);
  [here, there] = await Promise.all([RpcRoom.open(open), RpcRoom.open(open)]);
});

afterEach(() => Promise.all([here.close(), there.close()]));

/** Takes in the other folder. */
function take(fields: object = {}): Promise<SyncResponse[]> {
  return here.sync({ stateFolder: there.stateFolder, sinks: [NEW], ...fields });
}

const notesOf = (answers: readonly SyncResponse[]) => answers.flatMap(({ notes }) => notes);

/** A file of this text outside both state folders. */
function file(text: string): string {
  const path = join(there.stateFolder, "..", `source-${text}`);
  writeFileSync(path, text);
  return path;
}

function digestPath(room: RpcRoom, text: string): string {
  return room.content.pathOf(createHash("sha256").update(text).digest("hex"));
}

test("runs of another folder come over with their files, and taking them in again doubles nothing", async () => {
  const run = await there.start({ sinks: [SINK], pid: process.pid, name: "carried" });
  await run.log(120);
  await run.attach("plots/a.txt", file("content"));
  const second = new Writer(there, run.runId);
  await second.log(30);
  await run.end();
  const other = await there.start();
  await other.end();

  const answers = await take();
  expect(answers.at(-1)).toMatchObject({
    done: true,
    runs: 2,
    runsDelivered: 2,
    framesRead: 7,
    framesTaken: 7,
    points: 150,
    notes: [],
  });
  expect(here.values(run.runId, NEW)).toHaveLength(150);
  expect(here.tracker.run(run.runId, SINK).records).toEqual([]);
  expect(await here.journal.run(run.runId)).toMatchObject({
    state: "completed",
    points: 150,
    start: { name: "carried", pid: 0 },
    artifacts: [{ name: "plots/a.txt", files: [{ size: 7 }] }],
  });
  // One file, two names: nothing was copied where the disk is the same.
  expect(statSync(digestPath(here, "content")).ino).toBe(statSync(digestPath(there, "content")).ino);
  expect((await take()).at(-1)).toMatchObject({ framesTaken: 0, runsDelivered: 2 });
  expect(here.values(run.runId, NEW)).toHaveLength(150);
});

test("only chosen runs come, and their own sinks only when that is asked for", async () => {
  const run = await there.start({ sinks: [SINK, "fake:c/x"] });
  const other = await there.start({ sinks: [SINK] });
  for (const one of [run, other]) {
    await one.log(10);
    await one.end();
  }
  const answers = await take({ runIds: [run.runId.slice(0, 16)], sinks: [], keepSinks: true });
  expect(answers.at(-1)).toMatchObject({ runs: 1, runsDelivered: 1, points: 20 });
  expect((await here.journal.sinks(run.runId)).map(({ spec }) => spec)).toEqual([SINK, "fake:c/x"]);
  await expect(here.journal.run(other.runId)).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  await expect(take({ runIds: ["01ARZ3NDEKTSV4RRFFQ69G5FAV"] })).rejects.toMatchObject({
    code: "RUN_NOT_FOUND",
  });
});

test("a journal is followed while it grows, through frames of which nothing was kept, to the end of its runs", async () => {
  const run = await there.start();
  await run.log(10);
  const following = take({ follow: true });
  await here.untilState(run.runId, "idle", NEW).catch(() => undefined);
  // Every record of this frame was refused there.
  await there.journal.append({ ...run.frame(), records: [] }, []);
  await run.log(15);
  await run.end();
  expect((await following).at(-1)).toMatchObject({
    done: true,
    points: 25,
    runsDelivered: 1,
    framesTaken: 4,
  });
  expect(here.values(run.runId, NEW)).toHaveLength(25);
}, 20_000);

test("a run that has not ended there is told of; the rest comes with the next Sync, broken off or not", async () => {
  const run = await there.start();
  for (let i = 0; i < 200; i++) await run.log(1);
  const stop = new AbortController();
  for await (const { framesRead } of here.syncing(
    { stateFolder: there.stateFolder, sinks: [NEW] },
    stop.signal,
  )) {
    if (framesRead > 0) stop.abort();
  }
  expect((await here.journal.run(run.runId)).state).toBe("running");
  const answers = await take();
  expect(notesOf(answers)).toEqual([
    "One run has not ended in that folder: sync it again later for the rest.",
  ]);
  await run.end();
  expect((await take()).at(-1)).toMatchObject({ points: 200, runsDelivered: 1, notes: [] });
  expect(here.values(run.runId, NEW)).toHaveLength(200);
});

test("a missing or changed file is named and its run comes all the same", async () => {
  const run = await there.start();
  for (const name of ["missing", "changed", "fine"]) await run.attach(name, file(name));
  await run.end();
  rmSync(digestPath(there, "missing"));
  rmSync(digestPath(there, "changed"));
  writeFileSync(digestPath(there, "changed"), "changeD");
  const notes = notesOf(await take());
  expect(notes).toEqual([
    expect.stringMatching(/^The file missing is missing here: /),
    expect.stringMatching(/^The file changed is missing here: /),
  ]);
  expect(["missing", "changed", "fine"].map((text) => existsSync(digestPath(here, text)))).toEqual([
    false,
    false,
    true,
  ]);
  expect((await here.journal.run(run.runId)).artifacts).toHaveLength(3);
});

test("names that lead out of the folder are left out, and the run comes without them", async () => {
  const run = await there.start();
  const evil = (sha256: string, path: string) => ({
    record: {
      $case: "artifact" as const,
      value: { name: "evil", path: "", staged: false, uri: "", files: [{ path, sha256, size: 4 }] },
    },
  });
  const good = createHash("sha256").update("x").digest("hex");
  const records = [evil("../../../../etc/passwd", ""), evil("ab/../../../../x", ""), evil(good, "../../out")];
  await there.journal.append({ ...run.frame(), records }, []);
  await run.log(3);
  await run.end();
  const answers = await take();
  expect(notesOf(answers)).toEqual([expect.stringContaining("An artifact names its files in a way")]);
  expect(answers.at(-1)).toMatchObject({ points: 3, runsDelivered: 1 });
  expect((await here.journal.run(run.runId)).artifacts).toEqual([]);
});

test("a run that is ended here refuses what is new there, and holds up no other", async () => {
  const run = await there.start();
  await run.log(5);
  const other = await there.start();
  await take();
  const closer = new Writer(here, run.runId);
  await closer.end();
  await run.log(5);
  await other.log(7);
  await other.end();
  const answers = await take();
  expect(notesOf(answers)).toEqual([
    expect.stringMatching(new RegExp(`^Run ${run.runId} is not taken in whole: `)),
  ]);
  expect(here.values(other.runId, NEW)).toHaveLength(7);
});

/** Writes a spool file as a Python client does (clients/python, spool.py). */
function spool(writer: Writer, frames: readonly Frame[]): string {
  const owner = Buffer.alloc(8 + 40, 0);
  owner.write("PKXSPL2\n", "latin1");
  const head = Buffer.alloc(8);
  head.writeUInt32LE(crc32(owner));
  const entries = frames.map((frame) => {
    const bytes = Buffer.from(Frame.encode(frame).finish());
    const header = Buffer.alloc(20);
    header.writeUInt32LE(bytes.length);
    header.writeBigUInt64LE(BigInt(frame.seq), 8);
    header.writeUInt32LE(crc32(bytes, crc32(header.subarray(8))), 4);
    return Buffer.concat([header, bytes]);
  });
  const path = join(there.stateFolder, "spool", `${writer.writerId}.frames`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, Buffer.concat([owner, head, ...entries, Buffer.from("torn")]));
  return path;
}

test("frames in the spool come behind those in the journal, with staged files only of that folder", async () => {
  const run = await there.start();
  await run.log(10);
  const staged = join(there.stateFolder, "staging", "w", "plot.txt");
  mkdirSync(dirname(staged), { recursive: true });
  writeFileSync(staged, "staged");
  // As it was called where the folder comes from.
  const artifact = (path: string, isStaged = true) => ({
    $case: "artifact" as const,
    value: { name: "plot", path, staged: isStaged, files: [], uri: "" },
  });
  const frames = [
    run.frame(there.points(5)),
    run.frame(artifact("/scratch/old/state/staging/w/plot.txt")),
    run.frame(there.points(6)),
  ];
  const path = spool(run, frames);
  const before = readFileSync(path);
  expect((await take()).at(-1)).toMatchObject({ points: 21, framesTaken: 5 });
  expect(readFileSync(digestPath(here, "staged"), "utf8")).toBe("staged");
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(existsSync(staged)).toBe(true);

  const secret = join(here.stateFolder, "..", "secret");
  writeFileSync(secret, "secret");
  for (const outside of [artifact(secret, false), artifact(`/x/staging/../../${secret}`), artifact(secret)]) {
    const writer = new Writer(there, run.runId);
    spool(writer, [writer.frame(outside), writer.frame(there.points(1))]);
    expect(notesOf(await take()).join()).toContain("wait in the spool");
    expect(existsSync(digestPath(here, "secret"))).toBe(false);
    expect((await here.journal.run(run.runId)).points).toBe(21);
    rmSync(join(there.stateFolder, "spool", `${writer.writerId}.frames`));
  }
  const gap = new Writer(there, run.runId);
  gap.frame();
  spool(gap, [gap.frame(there.points(9))]);
  expect(notesOf(await take()).join()).toContain("are missing before those in the spool");
  expect((await here.journal.run(run.runId)).points).toBe(21);
});

test("a folder that was copied while it was in use is taken in or refused by name, never half", async () => {
  const run = await there.start();
  for (let i = 0; i < 50; i++) await run.log(10);
  const copy = join(there.stateFolder, "..", "copy");
  cpSync(there.stateFolder, copy, { recursive: true });
  const answers = await here.sync({ stateFolder: copy, sinks: [NEW] });
  expect(answers.at(-1)).toMatchObject({ done: true, points: 500 });
  const damaged = join(there.stateFolder, "..", "damaged");
  mkdirSync(damaged);
  writeFileSync(join(damaged, "journal.db"), "this is no journal at all".repeat(400));
  await expect(here.sync({ stateFolder: damaged })).rejects.toMatchObject({ code: "CORRUPT_JOURNAL" });
});
