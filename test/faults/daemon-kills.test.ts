/**
 * kill -9 of the daemon at random moments while a trainer logs, `$PKX_FAULT_ROUNDS` times (12): its client brings it
 * back, and afterwards each point is there once and in order, in the journal and at the tracker.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type FakeMlflow, startFakeMlflow } from "../support/fake-mlflow.ts";
import { seeded } from "../support/random.ts";
import {
  type Damage,
  journalDamage,
  killDaemon,
  mlflowDamage,
  replaySpool,
  roundHome,
  runUntil,
  startTrainer,
  withClient,
  within,
} from "./trainer.ts";

const ROUNDS = Number(process.env["PKX_FAULT_ROUNDS"] ?? "12");
const FIRST_SEED = Number(process.env["PKX_FAULT_SEED"] ?? "1");
const AT_ONCE = 3;
const NONE: Damage = { lost: 0, doubled: 0, misplaced: 0 };

let mlflow: FakeMlflow;

beforeAll(async () => {
  mlflow = await startFakeMlflow();
});

afterAll(() => mlflow.close());

interface Round {
  readonly seed: number;
  readonly kills: number;
  readonly points: number;
  readonly slowestMs: number;
  readonly journal: Damage;
  readonly tracker: Damage;
  readonly runsAtTracker: number;
  readonly given: number;
  readonly notes: readonly string[];
}

async function round(seed: number): Promise<Round> {
  const random = seeded(seed);
  const { home, end } = roundHome();
  try {
    const trainer = startTrainer({
      home,
      seed,
      points: 400 + Math.floor(random() * 1600),
      pauseMs: 3,
      sinks: [`mlflow+http://${mlflow.host}/faults`],
      env: { PKX_TEST_END_S: "15" },
    });
    let over = false;
    const done = trainer.done.finally(() => {
      over = true;
    });
    const runId = await trainer.runId;
    let kills = 0;
    while (!over && kills < 4) {
      await Promise.race([sleep(random() ** 2 * 900), done]);
      if (!over && killDaemon(home)) kills++;
    }
    const logged = await within(90_000, `seed ${seed}: the trainer's end`, done);
    if (logged === undefined) throw new Error(`seed ${seed}: the trainer died: ${trainer.stderr()}`);
    const { counts, slowestMs } = logged;
    expect(logged, `seed ${seed}`).toMatchObject({ dropped: 0, rejected: 0 });
    await within(90_000, `seed ${seed}: the replay of the spool`, replaySpool(home));
    return await withClient(home, async (client) => {
      const run = await runUntil(client, runId, ({ sinks }) => (sinks[0]?.pointsShown ?? -1) >= 0);
      const points = Object.values(counts).reduce((sum, count) => sum + count, 0);
      expect(run, `seed ${seed}`).toMatchObject({
        points,
        sinks: [{ pointsSent: points, pointsShown: points }],
      });
      const atTracker = mlflow.runsOf(runId);
      return {
        seed,
        kills,
        points,
        slowestMs,
        journal: await within(30_000, `seed ${seed}: the series`, journalDamage(client, runId, counts)),
        tracker: mlflowDamage(mlflow, runId, counts),
        runsAtTracker: atTracker.length,
        given: atTracker[0]?.given ?? 0,
        notes: run.sinks[0]?.notes ?? [],
      };
    });
  } finally {
    end();
  }
}

test(`${ROUNDS} rounds of kill -9 of the daemon lose, double and reorder nothing`, {
  timeout: ROUNDS * 20_000,
}, async () => {
  const seeds = Array.from({ length: ROUNDS }, (_, i) => FIRST_SEED + i);
  const rounds: Round[] = [];
  const worker = async () => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) rounds.push(await round(seed));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  for (const { seed, journal, tracker, runsAtTracker, notes } of rounds) {
    expect({ seed, journal, tracker, runsAtTracker, notes }).toEqual({
      seed,
      journal: NONE,
      tracker: NONE,
      runsAtTracker: 1,
      notes: [],
    });
  }
  const total = (of: (round: Round) => number) => rounds.reduce((sum, one) => sum + of(one), 0);
  const kills = total((one) => one.kills);
  expect(kills).toBeGreaterThan(ROUNDS);
  const points = total((one) => one.points);
  const again = total((one) => one.given) - points;
  const slowest = Math.max(...rounds.map((one) => one.slowestMs)).toFixed(1);
  console.log(
    `${ROUNDS} rounds, ${kills} kills, ${points} points: none lost or doubled; ${again} sent to the tracker again; slowest log() ${slowest} ms`,
  );
});
