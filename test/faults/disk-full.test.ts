/** The disk of the state folder, journal and spool alike, fills up while a trainer logs. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, RunState } from "@pipekit/experiment";
import { expect, onTestFinished, test } from "vitest";
import { startDaemon, temporaryHome } from "../support/daemon.ts";
import { journalDamage, runUntil, startTrainer, until } from "./trainer.ts";

/** Mounts a file system of 12 MiB; false where this user may not. */
function mountSmall(folder: string): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=12m,mode=0700", "tmpfs", folder], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Takes all room that is left, while others take of it too. */
function fill(file: string): void {
  const chunk = Buffer.alloc(4096);
  try {
    for (;;) appendFileSync(file, chunk);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  }
}

test("a full disk never reaches log(), and all arrives once there is space again", {
  timeout: 60_000,
}, async ({ skip }) => {
  const home = temporaryHome();
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const state = join(home, "state");
  mkdirSync(state, { mode: 0o700 });
  if (!mountSmall(state)) return skip("This user may not mount a file system.");
  onTestFinished(() => void execFileSync("umount", ["-l", state]));
  const daemon = await startDaemon({ home });
  onTestFinished(async () => void (await daemon.stop()));
  const client = await connect({ endpoint: daemon.endpoint });
  onTestFinished(() => client.close());

  const env = { ...daemon.clientEnv, PKX_TEST_END_S: "30" };
  const trainer = startTrainer({ home, seed: 3, points: 20_000, pauseMs: 0.5, env });
  const runId = await trainer.runId;
  const journaled = async () => (await client.getRun(runId)).points;
  await until(async () => (await journaled()) > 100);
  const filler = join(state, "filler");
  fill(filler);
  await until(() => trainer.stderr().includes("is full"));
  const stuck = await journaled();
  // Long enough for the spool to be tried, which lies on the same disk.
  await until(() => trainer.stderr().includes("cannot be written"));
  expect(await journaled()).toBe(stuck);
  rmSync(filler);

  const logged = await trainer.done;
  if (logged === undefined) throw new Error(trainer.stderr());
  expect(logged).toMatchObject({ dropped: 0, rejected: 0 });
  expect(await journalDamage(client, runId, logged.counts)).toEqual({ lost: 0, doubled: 0, misplaced: 0 });
  expect(await client.getRun(runId)).toMatchObject({ state: RunState.RUN_STATE_COMPLETED });
  console.log(`slowest log() with a full disk: ${logged.slowestMs.toFixed(1)} ms`);
  // Not I/O, which would take seconds here; the operating system may take the thread's turn for a while.
  expect(logged.slowestMs).toBeLessThan(500);
});

test("files and points beyond the quota wait, and all arrives once a run that is delivered is pruned", {
  timeout: 90_000,
}, async () => {
  const home = temporaryHome();
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const daemon = await startDaemon({ home, env: { PKX_DISK_QUOTA_GB: "0.012" } });
  onTestFinished(async () => void (await daemon.stop()));
  const client = await connect({ endpoint: daemon.endpoint });
  onTestFinished(() => client.close());
  const sink = `tensorboard://${join(home, "events")}`;
  const big = join(home, "big");
  writeFileSync(big, randomBytes(9_000_000));
  const old = await client.startRun({ config: {}, sinks: [sink] });
  await old.logArtifact(big, "big");
  await old.end();
  await runUntil(client, old.runId, ({ sinks }) => sinks.every(({ pointsShown }) => pointsShown >= 0));

  const env = { ...daemon.clientEnv, PKX_TEST_END_S: "40" };
  const trainer = startTrainer({ home, seed: 3, points: 4000, pauseMs: 3, sinks: [sink], env });
  const runId = await trainer.runId;
  await until(async () => (await client.getRun(runId)).points > 100);
  const second = join(home, "second");
  writeFileSync(second, randomBytes(4_000_000));
  const run = await client.startRun({ config: {}, sinks: [sink] });
  await run.logArtifact(second, "second");
  await until(() => trainer.stderr().includes("quota"));
  const pruned = client.delivery.prune({ runIds: [old.runId], apply: true });
  for await (const { kept } of pruned) expect(kept).toBe("");
  const logged = await trainer.done;
  if (logged === undefined) throw new Error(trainer.stderr());
  expect(logged).toMatchObject({ dropped: 0, rejected: 0 });
  await run.end();
  expect(await journalDamage(client, runId, logged.counts)).toEqual({ lost: 0, doubled: 0, misplaced: 0 });
  const done = await runUntil(client, runId, ({ sinks }) => sinks.every((one) => one.pointsShown >= 0));
  const points = Object.values(logged.counts).reduce((sum, count) => sum + count, 0);
  expect(done.sinks).toMatchObject([{ pointsSent: points, pointsShown: points, pointsDead: 0 }]);
});
