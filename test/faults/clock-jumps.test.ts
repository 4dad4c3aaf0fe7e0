/**
 * The time of day of the daemon and of the trainer jumps back and ahead by hours, `$PKX_FAULT_ROUNDS` rounds (1) of many
 * jumps: while delivery retries and keeps away as told, and while runs are orphaned and the daemon idles. Nothing may wait
 * for the time of day: what is due in a second is done in seconds, once, and no lag is below zero.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { connect, RunState } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { secondsBehind } from "../../daemon/cli/lag.ts";
import { startDaemon, temporaryHome } from "../support/daemon.ts";
import { answer, type Fault, tooManyRequests } from "../support/fake-http.ts";
import { seeded } from "../support/random.ts";
import { CREDENTIALS, SCHEMES, SixDestinations, WHOLE } from "./destinations.ts";
import { environment, journalDamage, runUntil, startTrainer } from "./trainer.ts";

const ROUNDS = Number(process.env["PKX_FAULT_ROUNDS"] ?? "1");
const FIRST_SEED = Number(process.env["PKX_FAULT_SEED"] ?? "1");
const CLOCK = join(import.meta.dirname, "shifted_clock");
const HOUR_MS = 3_600_000;
const JUMP_EVERY_MS = 150;
const LIMITS = JSON.stringify({ backoffBaseMs: 50, backoffCapMs: 500, probeCapMs: 500, callTimeoutMs: 2000 });
const SETBACKS: readonly Fault[] = [
  tooManyRequests("1"),
  tooManyRequests(),
  answer(503, "later"),
  { kind: "reset" },
  { kind: "loseAnswer" },
];

let six: SixDestinations;

beforeAll(async () => {
  six = await SixDestinations.start();
});

afterAll(() => six.close());

/** Sets the clocks of a home's processes. */
class SetClock {
  readonly env: Readonly<Record<string, string>>;
  readonly #file: string;
  readonly #random: () => number;
  #timer: NodeJS.Timeout | undefined;
  jumps = 0;

  constructor(home: string, seed: number) {
    this.#file = join(home, "clock");
    this.#random = seeded(seed);
    this.env = {
      PKX_TEST_CLOCK: this.#file,
      NODE_OPTIONS: `--import=${pathToFileURL(join(CLOCK, "shifted-clock.mjs"))}`,
      PYTHONPATH: `${CLOCK}:${environment(home)["PYTHONPATH"]}`,
    };
    this.set(0);
  }

  set(hours: number): void {
    writeFileSync(this.#file, String(Math.round(hours * HOUR_MS)));
  }

  /** From now on the clock jumps to any time within a day. */
  start(): void {
    this.#timer = setInterval(() => {
      this.set((this.#random() - 0.5) * 24);
      this.jumps++;
    }, JUMP_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

async function round(seed: number): Promise<{ points: number; jumps: number; setbacks: number }> {
  const home = temporaryHome();
  const clock = new SetClock(home, seed);
  const random = seeded(seed + 1);
  const env = { ...CREDENTIALS, ...clock.env, PKX_TEST_LIMITS: LIMITS };
  const script = join(import.meta.dirname, "crashing-daemon.ts");
  const daemon = await startDaemon({ home, script, env });
  const client = await connect({ endpoint: daemon.endpoint });
  let setbacks = 0;
  try {
    const sinks = Object.values(six.specs);
    six.mlflow.misbehave(() => {
      if (random() > 0.4) return undefined;
      setbacks++;
      return SETBACKS[Math.floor(random() * SETBACKS.length)];
    });
    clock.start();
    const trainer = startTrainer({ home, seed, points: 1500, pauseMs: 5, sinks, env: clock.env });
    const runId = await trainer.runId;
    const logged = await trainer.done;
    if (logged === undefined) throw new Error(`seed ${seed}: ${trainer.stderr()}`);
    expect(logged, `seed ${seed}`).toMatchObject({ dropped: 0, rejected: 0 });
    // A few setbacks more without a point to come, then all is well; the clock goes on jumping.
    const enough = setbacks + 3;
    const well = () => setbacks >= enough;
    const faults = setInterval(() => well() && six.mlflow.misbehave(() => undefined), 20);
    const tolerant = setTimeout(() => six.mlflow.misbehave(() => undefined), 3000);
    const done = await runUntil(client, runId, (run) => {
      for (const sink of run.sinks) {
        expect(secondsBehind(sink, Date.now() * 1000)).toBeGreaterThanOrEqual(0);
        expect(sink.pointsPending).toBeGreaterThanOrEqual(0);
      }
      return run.sinks.every(({ pointsShown }) => pointsShown >= 0);
    });
    clearInterval(faults);
    clearTimeout(tolerant);
    const { counts } = logged;
    const points = Object.values(counts).reduce((sum, count) => sum + count, 0);
    for (const sink of done.sinks) {
      expect(sink, `seed ${seed}`).toMatchObject({ pointsSent: points, pointsDead: 0, pointsShown: points });
    }
    expect(await journalDamage(client, runId, counts)).toEqual({ lost: 0, doubled: 0, misplaced: 0 });
    const copies = Object.fromEntries(SCHEMES.map((scheme) => [scheme, WHOLE]));
    expect(await six.damage(runId, counts), `seed ${seed}`).toEqual(copies);
    return { points, jumps: clock.jumps, setbacks };
  } finally {
    clock.stop();
    six.mlflow.misbehave(() => undefined);
    client.close();
    await daemon.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

test(`${ROUNDS} rounds of clock jumps stall, drop and double nothing`, {
  timeout: 60_000 + ROUNDS * 60_000,
}, async () => {
  const total = { points: 0, jumps: 0, setbacks: 0 };
  for (let seed = FIRST_SEED; seed < FIRST_SEED + ROUNDS; seed++) {
    const { points, jumps, setbacks } = await round(seed);
    total.points += points;
    total.jumps += jumps;
    total.setbacks += setbacks;
  }
  console.log(`${ROUNDS} rounds, ${JSON.stringify(total)}: 0 lost, 0 doubled, 0 misplaced`);
  expect(total.jumps).toBeGreaterThan(10);
  expect(total.setbacks).toBeGreaterThan(3);
});

test.each([
  ["back", -7],
  ["ahead", 7],
])(
  "a live point, a wait that is told, an orphan's grace and the idle exit end in time when the clock jumps %s",
  async (_, hours) => {
    const home = temporaryHome();
    mkdirSync(join(home, "config"));
    const clock = new SetClock(home, 1);
    const args = ["--orphan-grace-s", "0.5", "--idle-exit-s", "2"];
    const daemon = await startDaemon({ home, args, env: { ...CREDENTIALS, ...clock.env } });
    const client = await connect({ endpoint: daemon.endpoint });
    try {
      const sinks = [six.specs.mlflow, six.specs.tensorboard];
      const trainer = startTrainer({ home, seed: 1, points: 1e9, pauseMs: 20, sinks, env: clock.env });
      const runId = await trainer.runId;
      await runUntil(client, runId, (run) => run.sinks.every(({ pointsSent }) => pointsSent > 0));
      six.mlflow.misbehave(() => tooManyRequests("2"));
      await runUntil(client, runId, (run) => run.sinks.some(({ lastError }) => lastError !== ""));
      clock.set(hours);
      six.mlflow.misbehave(() => undefined);
      const { points } = await client.getRun(runId);
      await runUntil(
        client,
        runId,
        (run) => run.sinks.every(({ pointsSent }) => pointsSent > points),
        15_000,
      );
      trainer.child.kill("SIGKILL");
      await trainer.done;
      clock.set(0);
      const ended = await runUntil(
        client,
        runId,
        ({ state }) => state !== RunState.RUN_STATE_RUNNING,
        15_000,
      );
      expect(ended).toMatchObject({ state: RunState.RUN_STATE_FAILED, reason: "killed" });
      await runUntil(client, runId, (run) => run.sinks.every(({ pointsShown }) => pointsShown >= 0), 15_000);
      client.close();
      clock.set(hours);
      expect(await daemon.exited).toEqual({ code: 0, signal: null });
    } finally {
      client.close();
      six.mlflow.misbehave(() => undefined);
      await daemon.kill9();
      rmSync(home, { recursive: true, force: true });
    }
  },
);
