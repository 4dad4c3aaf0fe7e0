/**
 * A daemon dies with all that came after a backup; the folder is restored in its place, while the client that logs lives on.
 * Six destinations had taken more than the restored journal knows of.
 */
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CREDENTIALS, SCHEMES, SixDestinations } from "../faults/destinations.ts";
import { journalDamage, runUntil } from "../faults/trainer.ts";
import { startDaemon, temporaryHome } from "../support/daemon.ts";
import { pkx } from "../support/terminal.ts";

const PART = 300;

let six: SixDestinations;
const home = temporaryHome();

beforeAll(async () => {
  six = await SixDestinations.start();
});

afterAll(async () => {
  await six.close();
  rmSync(home, { recursive: true, force: true });
});

test("the run goes on, says what it lost, and no tool shows a point twice", async () => {
  const options = { home, env: { ...CREDENTIALS, PKX_ORPHAN_GRACE_S: "1" }, args: ["--idle-exit-s", "0"] };
  const first = await startDaemon(options);
  const { clientEnv, stateFolder } = first;
  const client = await connect({ env: clientEnv, start: false });
  const writer = await client.startRun({ name: "long", sinks: SCHEMES.map((scheme) => six.specs[scheme]) });
  const { runId } = writer;
  const log = async (from: number, to: number) => {
    for (let i = from; i < to; i++) writer.log({ a: i }, i);
    await writer.flush();
  };
  await log(0, PART / 2);
  await runUntil(client, runId, ({ sinks }) => sinks.every(({ pointsSent }) => pointsSent === PART / 2));
  await log(PART / 2, PART);
  // Some of it is delivered, and some is not.
  expect((await pkx(["backup", join(home, "b")], { env: clientEnv })).code).toBe(0);
  await log(PART, 2 * PART);
  const early = await client.startRun({ name: "started after the backup" });
  await runUntil(client, runId, ({ sinks }) => sinks.every(({ pointsSent }) => pointsSent === 2 * PART));
  await first.kill9();

  renameSync(stateFolder, join(home, "lost"));
  const restored = await pkx(["restore", join(home, "b"), "--state-dir", stateFolder, "--json"], { env: {} });
  expect(restored).toMatchObject({ code: 0, err: "" });
  expect(JSON.parse(restored.out)).toMatchObject({ delivers: true, superseded: "", points: PART });
  const second = await startDaemon(options);

  await log(2 * PART, 3 * PART);
  await writer.end();
  const run = await runUntil(client, runId, ({ sinks }) =>
    sinks.every(({ pointsShown }) => pointsShown >= 0),
  );
  const lost = Object.entries(run.tags).filter(([name]) => name.startsWith("pipekit.lost_frames."));
  expect(lost).toEqual([
    [expect.any(String), expect.stringMatching(/^\d+ frames \(\d+ to \d+\), acknowledged after/)],
  ]);
  expect(await journalDamage(client, runId, { a: 3 * PART })).toEqual({
    lost: PART,
    doubled: 0,
    misplaced: 0,
  });
  expect((await client.status()).warnings).toEqual([
    expect.stringContaining("acknowledged after the backup"),
  ]);
  const shown = await six.damage(runId, { a: 3 * PART });
  for (const scheme of SCHEMES) {
    // Servers keep what the lost journal had brought them; what is written as one piece is what the journal has.
    const keeps = scheme === "mlflow" || scheme === "clearml+http";
    const copy = { lost: keeps ? 0 : PART, doubled: 0, misplaced: 0, runs: 1 };
    expect(shown[scheme], scheme).toEqual(copy);
  }
  const differing = run.sinks.filter(({ notes }) =>
    notes.includes(`a: journaled ${2 * PART}, shown ${3 * PART}`),
  );
  expect(differing.map(({ spec }) => spec.split(":")[0])).toEqual(["clearml+http", "mlflow"]);

  // A run that the backup does not have is not made up: its client is told.
  early.log({ a: 1 }, 1);
  await early.flush().catch(() => undefined);
  expect(early.rejected).toBeGreaterThan(0);
  client.close();
  expect((await pkx(["journal", "verify", "--state-dir", stateFolder], { env: {} })).code).toBe(2);
  await second.stop();
  expect((await pkx(["journal", "verify", "--state-dir", stateFolder], { env: {} })).code).toBe(0);
}, 60_000);
