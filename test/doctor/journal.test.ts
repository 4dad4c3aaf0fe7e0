/** Faults of what lies in the state folder while no daemon runs: the journal, rings and spool files, the last start. */

import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Client, type StatusResponse, socketPath } from "@pipekit/experiment";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkDaemon } from "../../daemon/cli/checks/service.ts";
import { StateLock } from "../../daemon/lifecycle/index.ts";
import { placedFrames, richJournal } from "../journal/damage.ts";
import { newId } from "../journal/fixture.ts";
import { writeVersion1 } from "../journal/version-1.ts";
import { GOLDEN } from "../spool/room.ts";
import { daemonCommand, startDaemon } from "../support/daemon.ts";
import { FakeDaemon } from "../support/fake-daemon.ts";
import { follow, Home } from "./home.ts";

let home: Home;
let journal: string;

beforeEach(() => {
  home = new Home();
  journal = join(home.state, "journal.db");
});
afterEach(() => home.remove());

test("a journal that is damaged inside, at its start, or cut off, and then salvaged", async () => {
  const rich = await richJournal();
  copyFileSync(rich.file, journal);
  const good = readFileSync(journal);
  expect((await home.findings()).find(({ check }) => check === "journal")?.message).toMatch(/^Sound: 5 runs/);
  const [frame] = [...placedFrames(journal).values()];
  const bytes = Buffer.from(good);
  for (const page of frame?.pages ?? []) bytes.fill(0xa5, page * 8192 - 1000, page * 8192);
  writeFileSync(journal, bytes);
  expect((await home.problem("journal")).mend).toBe("Save what is intact: `pkx journal salvage`.");
  writeFileSync(journal, Buffer.from(good).fill(0, 0, 100));
  expect((await home.problem("journal")).message).toContain("does not begin as a journal does");
  writeFileSync(journal, good.subarray(0, good.length - 8192));
  expect((await home.problem("journal")).message).toContain("cut off");
  expect(await home.pkx("journal", "salvage")).toMatchObject({ code: 0 });
  await home.green();
});

test("pipes where the journal and the log should be hold nobody up, and are mended", async () => {
  mkdirSync(join(home.state, "logs"), { mode: 0o700 });
  execFileSync("mkfifo", [journal, join(home.state, "logs/daemon.log")]);
  const { message, mend } = await home.problem("journal");
  expect(message).toBe(`${journal} is no file.`);
  follow(mend);
  await home.green();
});

test("an endpoint that is named, where no client starts a daemon", async () => {
  const socket = join(home.runtime, "named.sock");
  home.env = { ...home.env, PKX_ENDPOINT: `unix:${socket}` };
  expect((await home.problem("socket")).message).toContain(`No daemon answers at ${socket}`);
  home.env = { ...home.env, PKX_ENDPOINT: undefined };
  await home.green();
});

test("a journal of an older version, and of a newer one", async () => {
  writeVersion1(journal, newId(), newId(), []);
  expect((await home.note("journal")).message).toMatch(
    /^The journal is of version 1; the next daemon brings it to \d/,
  );
  const db = new DatabaseSync(journal);
  db.exec("PRAGMA user_version = 99");
  db.close();
  expect((await home.problem("journal")).message).toMatch(/^The journal is of version 99; this pkx knows \d/);
  rmSync(journal);
  await home.green();
});

test("what dead processes left, whole, torn and damaged", async () => {
  const rings = socketPath(home.runtime, home.state).replace(/sock$/, "rings");
  const spool = join(home.state, "spool");
  for (const folder of [rings, spool]) mkdirSync(folder, { mode: 0o700 });
  const [ring, file] = [join(rings, `${GOLDEN.writerId}.ring`), join(spool, `${GOLDEN.writerId}.frames`)];
  writeFileSync(ring, GOLDEN.ring);
  writeFileSync(file, GOLDEN.spool);
  expect((await home.note("leftovers")).message).toMatch(/^2 files of dead processes wait/);
  writeFileSync(file, Buffer.concat([GOLDEN.spool, Buffer.from("torn")]));
  const notes = (await home.findings()).filter(({ check }) => check === "leftovers");
  expect(notes.map(({ state, message }) => `${state} ${basename(message.split(" ")[0] ?? "")}`)).toEqual([
    `note ${basename(file)}`,
    "note 2",
  ]);
  writeFileSync(file, Buffer.from(GOLDEN.spool).fill(0, 0, 20));
  writeFileSync(ring, GOLDEN.ring.subarray(0, 100));
  const problems = (await home.findings()).filter(({ state }) => state === "problem");
  expect(problems.map(({ message }) => message.split(" ")[0])).toEqual([ring, file]);
  for (const { mend } of problems) follow(mend ?? "");
  await home.green();
});

test("frames that wait for a daemon elsewhere", async () => {
  mkdirSync(join(home.state, "spool-0123456789abcdef"));
  writeFileSync(join(home.state, "spool-0123456789abcdef/x.frames"), "");
  expect((await home.note("leftovers")).message).toMatch(/^1 file for a daemon elsewhere/);
});

test("why the last daemon did not start, until one has", async () => {
  mkdirSync(join(home.folder, "config"));
  const config = join(home.folder, "bad.yaml");
  writeFileSync(config, "trackers: {prod: ['mlfow://127.0.0.1/x']}\n");
  const { command, args, env } = daemonCommand(home.folder, { args: ["--config", config] });
  expect(spawnSync(command, args, { env }).status).toBe(1);
  expect((await home.note("last start")).message).toContain("No tracker has the scheme");
  const daemon = await startDaemon({ home: home.folder });
  await daemon.stop();
  expect((await home.findings()).map(({ check }) => check)).not.toContain("last start");
});

test("a daemon that answers and does not hold the lock, until it is stopped", async () => {
  StateLock.take(join(home.state, "daemon.lock"))?.release();
  const other = await new FakeDaemon().start();
  home.env = { ...home.env, PKX_ENDPOINT: other.endpoint };
  const { message, mend } = await home.problem("lock");
  expect(message).toContain("does not hold");
  expect(mend).toContain("`pkx stop`");
  other.stop();
  home.env = { ...home.env, PKX_ENDPOINT: undefined };
  await home.green();
  other.remove();
});

test("a daemon of another version", () => {
  const client = { daemon: { protocol: 1 } } as Client;
  const counts = { runs: 0, points: 0, journalBytes: 0, rssBytes: 0 };
  const version = (daemonVersion: string) =>
    checkDaemon(client, { ...counts, daemonVersion, warnings: [] } as unknown as StatusResponse, true)[0];
  expect(version("0.0.9")).toMatchObject({ state: "note", mend: expect.stringContaining("pkx stop") });
  expect(version("99.0.0")).toMatchObject({
    state: "note",
    mend: expect.stringContaining("Update this pkx"),
  });
});
