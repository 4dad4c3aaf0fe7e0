/** The daemon dies by kill -9 at each named point, the first and later times that it comes there. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@pipekit/experiment";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { startDaemon, temporaryHome } from "../support/daemon.ts";
import { type FakeMlflow, startFakeMlflow } from "../support/fake-mlflow.ts";
import {
  journalDamage,
  mlflowDamage,
  replaySpool,
  roundHome,
  runUntil,
  startTrainer,
  withClient,
} from "./trainer.ts";

const SCRIPT = join(import.meta.dirname, "crashing-daemon.ts");
const NONE = { lost: 0, doubled: 0, misplaced: 0 };
// Small batches and a fast clock, so that each point comes up often in a short time.
const LIMITS = JSON.stringify({ lingerMs: 5, saveEveryMs: 5, saveEveryBatches: 2, backoffBaseMs: 20 });

let mlflow: FakeMlflow;
const cleanups: (() => unknown)[] = [];

beforeAll(async () => {
  mlflow = await startFakeMlflow();
});

afterAll(() => mlflow.close());

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function crashFile(...lines: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "pkx-crash-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "crashes");
  writeFileSync(file, lines.join("\n"));
  return file;
}

test("delivery dies before and after it sends and saves, and each time goes on where it was", {
  timeout: 60_000,
}, async () => {
  const home = temporaryHome();
  cleanups.push(() => rmSync(home, { recursive: true, force: true }));
  const steps = 5000;
  const first = await startDaemon({ home });
  const client = await connect({ endpoint: first.endpoint });
  const run = await client.startRun({ config: { lr: 1 }, sinks: [`mlflow+http://${mlflow.host}/crash`] });
  for (let step = 0; step < steps; step++) run.log({ a: step, b: step }, step);
  await run.end();
  // Of what it has sent by now some is not in its cursor.
  await first.kill9();
  client.close();

  const crashes = ["after-send:1", "before-send:1", "before-cursor:1", "after-cursor:1"];
  crashes.push("before-send:2", "after-send:2", "after-cursor:2", "before-cursor:2");
  const env = { PKX_TEST_CRASHES: crashFile(...crashes), PKX_TEST_LIMITS: LIMITS };
  let died = 0;
  for (;;) {
    const daemon = await startDaemon({ home, script: SCRIPT, env });
    const again = await connect({ endpoint: daemon.endpoint });
    const done = runUntil(again, run.runId, ({ sinks }) => (sinks[0]?.pointsShown ?? -1) >= 0);
    const outcome = await Promise.race([
      done.catch(() => undefined),
      daemon.exited.then(({ signal }) => signal),
    ]);
    if (outcome === "SIGKILL") died++;
    const finished = typeof outcome === "object" && outcome !== null ? outcome : undefined;
    const counts = { a: steps, b: steps };
    if (finished !== undefined) {
      expect(finished.sinks).toMatchObject([
        { pointsSent: 2 * steps, pointsDead: 0, pointsShown: 2 * steps, notes: [] },
      ]);
      expect(await journalDamage(again, run.runId, counts)).toEqual(NONE);
      expect(mlflowDamage(mlflow, run.runId, counts)).toEqual(NONE);
      expect(mlflow.runsOf(run.runId)).toMatchObject([{ status: "FINISHED" }]);
    }
    again.close();
    await daemon.stop();
    if (finished !== undefined) break;
    expect(outcome).toBe("SIGKILL");
  }
  expect(died).toBe(crashes.length);
});

test("the daemon dies before and after it appends a frame: its client sends it again, once", {
  timeout: 60_000,
}, async () => {
  const { home, end } = roundHome();
  cleanups.push(end);
  // The first frame is the start.
  const crashes = crashFile(
    "before-append:1",
    "after-append:1",
    "after-append:4",
    "before-append:9",
    "after-append:1",
  );
  const env = { PKX_DAEMON: SCRIPT, PKX_TEST_CRASHES: crashes };
  const trainer = startTrainer({ home, seed: 7, points: 1500, pauseMs: 3, env });
  const logged = await trainer.done;
  if (logged === undefined) throw new Error(trainer.stderr());
  expect(logged).toMatchObject({ dropped: 0, rejected: 0 });
  expect(trainer.stderr()).not.toContain("Traceback");
  await replaySpool(home);
  await withClient(home, async (client) => {
    const runId = await trainer.runId;
    expect(await journalDamage(client, runId, logged.counts)).toEqual(NONE);
    expect(await runUntil(client, runId, ({ endedAtUs }) => endedAtUs > 0)).toMatchObject({ reason: "" });
  });
});
