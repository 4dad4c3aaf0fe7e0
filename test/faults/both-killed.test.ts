/**
 * kill -9 of trainer and daemon together at random instants, while the run goes to six destinations; `$PKX_FAULT_ROUNDS`
 * rounds (2). Every point whose log() had returned is in the journal, and each destination shows just what the journal has.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, RunState } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon } from "../support/daemon.ts";
import { seeded } from "../support/random.ts";
import { CREDENTIALS, SCHEMES, SixDestinations, WHOLE } from "./destinations.ts";
import { damageOf, roundHome, runUntil, startTrainer, until } from "./trainer.ts";

const ROUNDS = Number(process.env["PKX_FAULT_ROUNDS"] ?? "1");
const FIRST_SEED = Number(process.env["PKX_FAULT_SEED"] ?? "1");
const SCRIPT = join(import.meta.dirname, "crashing-daemon.ts");
const LIMITS = JSON.stringify({ lingerMs: 5, saveEveryMs: 5, saveEveryBatches: 2, backoffBaseMs: 20 });
const GRACE = ["--orphan-grace-s", "0.3"];

let six: SixDestinations;

beforeAll(async () => {
  six = await SixDestinations.start();
});

afterAll(() => six.close());

async function round(seed: number): Promise<{ points: number; beyond: number }> {
  const random = seeded(seed);
  const { home, end } = roundHome();
  const env = { ...CREDENTIALS, PKX_TEST_LIMITS: LIMITS, PKX_TEST_MAX_POINTS: "100" };
  try {
    const first = await startDaemon({ home, script: SCRIPT, env, args: GRACE });
    const progress = join(home, "progress");
    const trainer = startTrainer({
      home,
      seed,
      points: 1e9,
      pauseMs: 2,
      sinks: Object.values(six.specs),
      env: { PKX_TEST_PROGRESS: progress, PKX_DAEMON: "/dev/null/none" },
    });
    const runId = await trainer.runId;
    const logged = () => Number(existsSync(progress) ? readFileSync(progress).readBigInt64LE(0) : 0n);
    await until(() => logged() > 10);
    await sleep(random() * 1500);
    // The one or the other a moment earlier, or both at once.
    const order = random() < 0.5 ? [first.child, trainer.child] : [trainer.child, first.child];
    for (const child of order) {
      child.kill("SIGKILL");
      if (random() < 0.5) await sleep(random() * 40);
    }
    await Promise.all([trainer.done, first.exited]);
    const rows = logged();

    const next = await startDaemon({ home, script: SCRIPT, env, args: GRACE });
    const client = await connect({ endpoint: next.endpoint });
    try {
      const ended = await runUntil(client, runId, ({ state }) => state === RunState.RUN_STATE_FAILED);
      expect(ended.reason).toBe("killed");
      await runUntil(
        client,
        runId,
        ({ sinks }) => sinks.every(({ pointsShown }) => pointsShown >= 0),
        60_000,
      );
      const series = await client.readSeries(runId);
      const counts = Object.fromEntries(series.map(({ key, values }) => [key, values.length]));
      for (const { values } of series) {
        expect(damageOf(values, values.length)).toEqual({ lost: 0, doubled: 0, misplaced: 0 });
      }
      // A row that was being logged may be there too.
      expect(counts["a"], `seed ${seed}`).toBeGreaterThanOrEqual(rows);
      const copies = Object.fromEntries(SCHEMES.map((scheme) => [scheme, WHOLE]));
      expect(await six.damage(runId, counts), `seed ${seed}`).toEqual(copies);
      return { points: rows, beyond: (counts["a"] ?? 0) - rows };
    } finally {
      client.close();
      await next.stop();
    }
  } finally {
    end();
  }
}

test(`${ROUNDS} rounds of kill -9 of trainer and daemon together lose, double and misplace nothing`, {
  timeout: 60_000 + ROUNDS * 60_000,
}, async () => {
  const total = { points: 0, beyond: 0 };
  for (let seed = FIRST_SEED; seed < FIRST_SEED + ROUNDS; seed++) {
    const { points, beyond } = await round(seed);
    total.points += points;
    total.beyond += beyond;
  }
  console.log(
    `${ROUNDS} rounds, ${total.points} rows logged: 0 lost, 0 doubled, 0 misplaced, ${total.beyond} more`,
  );
});
