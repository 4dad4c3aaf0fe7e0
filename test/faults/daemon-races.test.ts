/**
 * Many daemons want one state folder while trainers log: they start at once, the holder dies by kill -9 or hangs, and a
 * dead socket lies about. One serves at a time, every client ends up at it, and nothing is lost. `$PKX_FAULT_ROUNDS`
 * rounds (1).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { socketPathOf } from "../../daemon/config/index.ts";
import { whoAnswers } from "../../daemon/lifecycle/index.ts";
import { daemonCommand } from "../support/daemon.ts";
import { type FakeMlflow, startFakeMlflow } from "../support/fake-mlflow.ts";
import { seeded } from "../support/random.ts";
import {
  daemonPid,
  journalDamage,
  killDaemon,
  mlflowDamage,
  replaySpool,
  roundHome,
  runUntil,
  startTrainer,
  until,
  withClient,
  within,
} from "./trainer.ts";

const ROUNDS = Number(process.env["PKX_FAULT_ROUNDS"] ?? "1");
const FIRST_SEED = Number(process.env["PKX_FAULT_SEED"] ?? "1");
const STARTS = 20;
const TRAINERS = 3;
const NONE = { lost: 0, doubled: 0, misplaced: 0 };

/** A daemon that was started into the race. */
interface Racer {
  readonly child: ChildProcess;
  /** Whether it serves, or how it left. */
  readonly outcome: Promise<"serves" | number | null>;
}

function startRacer(home: string): Racer {
  const { command, args, env } = daemonCommand(home);
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "ignore"] });
  const served = once(child.stdout ?? child, "data").then(() => "serves" as const);
  const left = once(child, "close").then(([code]): number | null => code);
  return { child, outcome: Promise.race([served, left]) };
}

/** Leaves a socket that nobody listens on, as after a power cut. */
async function leaveDeadSocket(home: string): Promise<void> {
  for (const name of ["state", "run"]) mkdirSync(join(home, name), { mode: 0o700 });
  const path = socketPathOf(join(home, "run"), join(home, "state"));
  const listen = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`;
  await once(spawn(process.execPath, ["-e", listen]), "close");
  expect(await whoAnswers(path, 1000)).toEqual({ kind: "dead" });
}

async function round(seed: number, mlflow: FakeMlflow) {
  const random = seeded(seed);
  const { home, end } = roundHome();
  try {
    await leaveDeadSocket(home);
    const sinks = [`mlflow+http://${mlflow.host}/race`];
    const env = { PKX_TEST_END_S: "30" };
    const trainers = Array.from({ length: TRAINERS }, (_, i) =>
      startTrainer({ home, seed: seed * 10 + i, points: 800, pauseMs: 10, sinks, env }),
    );
    const racers: Racer[] = [];
    for (let i = 0; i < STARTS; i++) racers.push(startRacer(home));
    const outcomes = await Promise.all(racers.map(({ outcome }) => outcome));
    // A trainer's own daemon may win.
    const serving = outcomes.filter((outcome) => outcome === "serves").length;
    expect(serving, `seed ${seed}`).toBeLessThanOrEqual(1);
    expect(outcomes.filter((outcome) => outcome !== "serves")).toEqual(Array(STARTS - serving).fill(0));
    await until(() => daemonPid(home) !== undefined);

    const runIds = await Promise.all(trainers.map(({ runId }) => runId));
    // The holder dies while others wait to take its place.
    const more = [startRacer(home), startRacer(home)];
    await sleep(random() * 300);
    killDaemon(home);
    more.push(startRacer(home), startRacer(home));
    await sleep(random() * 1000);

    // The holder hangs: whoever starts meanwhile leaves without harm, and its clients keep what they log.
    await until(() => daemonPid(home) !== undefined);
    const holder = daemonPid(home) ?? 0;
    const path = socketPathOf(join(home, "run"), join(home, "state"));
    process.kill(holder, "SIGSTOP");
    const late = startRacer(home);
    await sleep(500 + random() * 1500);
    if (random() < 0.5) process.kill(holder, "SIGCONT");
    else process.kill(holder, "SIGKILL");
    await late.outcome;

    const logged = await Promise.all(
      trainers.map(({ done }, i) => within(120_000, `seed ${seed}: the end of trainer ${i}`, done)),
    );
    await within(60_000, `seed ${seed}: the replay of the spool`, replaySpool(home));
    let points = 0;
    const damages = await withClient(home, async (client) => {
      const answerer = await whoAnswers(path, 5000);
      expect(answerer).toEqual({ kind: "daemon", pid: daemonPid(home) });
      const found = [];
      for (const [i, one] of logged.entries()) {
        if (one === undefined) throw new Error(`seed ${seed}: trainer ${i} died: ${trainers[i]?.stderr()}`);
        expect(one, `seed ${seed}`).toMatchObject({ dropped: 0, rejected: 0 });
        const runId = runIds[i] ?? "";
        await runUntil(client, runId, (run) => (run.sinks[0]?.pointsShown ?? -1) >= 0);
        points += Object.values(one.counts).reduce((sum, count) => sum + count, 0);
        found.push(await journalDamage(client, runId, one.counts), mlflowDamage(mlflow, runId, one.counts));
      }
      return found;
    });
    expect({ seed, damages }).toEqual({ seed, damages: damages.map(() => NONE) });
    return { points, starts: racers.length + more.length + 1 };
  } finally {
    end();
  }
}

test(`${ROUNDS} races of ${STARTS} daemons and more: one serves, and nothing is lost`, {
  timeout: 60_000 + ROUNDS * 90_000,
}, async () => {
  const mlflow = await startFakeMlflow();
  const total = { points: 0, starts: 0 };
  try {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + ROUNDS; seed++) {
      const { points, starts } = await round(seed, mlflow);
      total.points += points;
      total.starts += starts;
    }
  } finally {
    await mlflow.close();
  }
  console.log(`${ROUNDS} races, ${JSON.stringify(total)}: 0 lost, 0 doubled, 0 misplaced`);
});

test("a folder that is served elsewhere stays with who serves it when a stranger binds the path anew", async () => {
  const { home, end } = roundHome();
  try {
    const first = startRacer(home);
    expect(await first.outcome).toBe("serves");
    const path = socketPathOf(join(home, "run"), join(home, "state"));
    // A cleaner of /tmp has removed the socket: the holder lives, and nobody else may serve its journal.
    rmSync(path);
    const second = startRacer(home);
    expect(await second.outcome).toBe(1);
    const stranger = createServer().listen(path);
    await once(stranger, "listening");
    const third = startRacer(home);
    expect(await third.outcome).toBe(1);
    stranger.close();
    first.child.kill("SIGTERM");
    await once(first.child, "exit");
    const next = startRacer(home);
    expect(await next.outcome).toBe("serves");
  } finally {
    end();
  }
});
