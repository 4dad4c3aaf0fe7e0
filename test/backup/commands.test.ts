/** `pkx backup` and `pkx restore`, and that two daemons of one host do not both deliver the same runs. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { pkx as runPkx } from "../support/terminal.ts";

let daemon: TestDaemon;
let home: string;
const operator = { module: "m", class: "C", config: {} };

beforeAll(async () => {
  home = temporaryHome();
  daemon = await startDaemon({ home });
  await using client = await connect({ env: daemon.clientEnv });
  const sinks = [`tensorboard://${join(home, "events")}`];
  await client.withRun({ name: "r", sinks }, async (run) => run.log({ a: 1 }, 1));
  const { model } = await client.registry().store({ operator, name: "production" });
  await client.registry().tag(model.hash, "candidate");
  writeFileSync(join(home, "plot"), "plot");
  await client.withRun({ name: "s" }, async (run) => run.logArtifact(join(home, "plot"), "plot"));
});

afterAll(async () => {
  await daemon.stop();
  rmSync(home, { recursive: true, force: true });
});

const pkx = (...args: string[]) => runPkx(args, { env: daemon.clientEnv });

test("a copy to look at serves runs, models and a sound audit log, and sends nothing", async () => {
  const made = await pkx("backup", join(home, "b.tar"), "--json");
  expect(JSON.parse(made.out)).toMatchObject({ runs: 2, points: 1, notes: [], path: join(home, "b.tar") });
  const copy = join(home, "copy/state");
  mkdirSync(join(home, "copy"));
  const restored = await pkx("restore", join(home, "b.tar"), "--state-dir", copy, "--without-delivery");
  expect(restored).toMatchObject({ code: 0, out: expect.stringContaining("sends nothing to trackers") });
  rmSync(join(home, "events"), { recursive: true, force: true });
  const looked = await startDaemon({ home: join(home, "copy") });
  await using client = await connect({ env: looked.clientEnv, start: false });
  const runs = await Array.fromAsync(client.listRuns());
  expect(runs.map(({ name }) => name).sort()).toEqual(["r", "s"]);
  expect((await client.registry().stat("production")).hash).toBe(
    (await client.registry().stat("candidate")).hash,
  );
  expect((await client.audit.verify()).entries).toBeGreaterThan(3);
  const run = runs.find(({ name }) => name === "r");
  const events = [`tensorboard://${join(home, "more")}`];
  for await (const progress of client.delivery.sync({ runIds: [run?.runId ?? ""], sinks: events })) {
    expect(progress.done).toBe(false);
    break;
  }
  await client.withRun({ name: "t", sinks: events }, async (writer) => writer.log({ a: 2 }, 2));
  expect((await client.status()).warnings).toEqual([expect.stringContaining("without delivery")]);
  await looked.stop();
  expect([existsSync(join(home, "events")), existsSync(join(home, "more"))]).toEqual([false, false]);
});

test("while the daemon runs, no other folder takes over; after that, the old one starts no daemon", async () => {
  await pkx("backup", join(home, "c"));
  const next = join(home, "next/state");
  mkdirSync(join(home, "next"));
  const refused = await pkx("restore", join(home, "c"), "--state-dir", next);
  expect(refused).toMatchObject({
    code: 2,
    err: expect.stringMatching(/would deliver the same runs.*pkx stop/s),
  });
  expect(readdirSync(next)).toEqual(["daemon.lock"]);
  expect((await pkx("restore", join(home, "c"))).err).toContain(`A daemon uses ${daemon.stateFolder}`);

  await daemon.stop();
  const restored = await pkx("restore", join(home, "c"), "--state-dir", next);
  expect(restored).toMatchObject({
    code: 0,
    out: expect.stringContaining(`starts in ${daemon.stateFolder}`),
  });
  await expect(startDaemon({ home })).rejects.toThrow(`${next} has taken over from ${daemon.stateFolder}`);
  await (await startDaemon({ home: join(home, "next") })).stop();
  rmSync(join(daemon.stateFolder, "superseded.json"));
  daemon = await startDaemon({ home });
});

test("--check reads every byte and writes nothing; damage is told with the file, and exits 6", async () => {
  const target = join(home, "d");
  await pkx("backup", target);
  const sound = await pkx("restore", target, "--check");
  expect(sound).toMatchObject({ code: 0, out: expect.stringContaining("is as it was written") });
  writeFileSync(join(target, "journal.db"), "x");
  const damaged = await pkx("restore", target, "--check");
  expect(damaged).toMatchObject({ code: 6, err: expect.stringContaining('"journal.db" of the backup') });
  expect(await pkx("backup", target)).toMatchObject({
    code: 2,
    err: expect.stringContaining("is there already"),
  });
});
