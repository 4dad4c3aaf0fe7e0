/** What goes through a daemon in a soak: runs that come and go, models that move, clients that come back. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, connect } from "@pipekit/experiment";
import type { TestDaemon } from "../../support/daemon.ts";

/** How much of it. */
export interface LoadSettings {
  /** Trainers at a time, each with one run after the other. */
  readonly trainers: number;
  /** Of a run. */
  readonly keys: number;
  readonly stepsOfRun: number;
  /** Points a second, of all trainers together. */
  readonly pointsPerSecond: number;
  /** Ended runs that may wait for their delivery; then no more are begun, for what waits takes memory and is no leak. */
  readonly mostWaiting: number;
  /** Of each run. */
  readonly sinks: readonly string[];
}

/** What was put in so far. */
export interface Tally {
  points: number;
  /** Runs that have ended and are not yet seen to be delivered. */
  readonly ended: Set<string>;
  runsEnded: number;
  /** Times that a client went away in the middle of a run and another went on with it. */
  reconnects: number;
  /** Models stored, each with a move of the tag. */
  models: number;
}

export function newTally(): Tally {
  return { points: 0, ended: new Set(), runsEnded: 0, reconnects: 0, models: 0 };
}

const PAUSE_MS = 50;
/** A run in so many is broken off by its client and resumed by another. */
const BROKEN_OFF = 4;
const MODEL_BYTES = 64 * 1024;

/** One run after the other until the signal; each trainer begins with a client of its own for each run. */
export async function train(daemon: TestDaemon, settings: LoadSettings, tally: Tally, until: AbortSignal) {
  const { keys, stepsOfRun, trainers, pointsPerSecond, sinks } = settings;
  const names = Array.from({ length: keys }, (_, i) => `layer${i}/loss`);
  const stepsPerPause = Math.max(1, Math.round((pointsPerSecond * PAUSE_MS) / 1000 / trainers / keys));
  for (let number = 1; !until.aborted; number++) {
    while (tally.ended.size > settings.mostWaiting && !until.aborted) await pause(PAUSE_MS, until);
    if (until.aborted) return;
    let client = await connect({ env: daemon.clientEnv });
    let run = await client.startRun({
      name: "soak",
      config: { lr: 0.1, number },
      sinks,
      tags: { n: `${number}` },
    });
    const breakAt = number % BROKEN_OFF === 0 ? Math.floor(stepsOfRun / 2) : Number.POSITIVE_INFINITY;
    let due = performance.now();
    for (let step = 0; step < stepsOfRun && !until.aborted; step++) {
      run.log(Object.fromEntries(names.map((name, k) => [name, Math.sin(step / (k + 7))])), step);
      tally.points += keys;
      if (step === breakAt) {
        await run.flush();
        client.close();
        client = await connect({ env: daemon.clientEnv });
        run = await client.startRun({ runId: run.runId, resume: true });
        tally.reconnects++;
      }
      if (step % stepsPerPause !== 0) continue;
      due += PAUSE_MS;
      // A daemon that falls behind is not buried: the rate is that of what it takes.
      await run.flush();
      await sleep(Math.max(0, due - performance.now()));
    }
    await run.end();
    tally.ended.add(run.runId);
    tally.runsEnded++;
    client.close();
  }
}

/** A model a turn, and the tag moved to it; the older ones are collected. */
export async function promote(client: Client, tally: Tally, everyMs: number, until: AbortSignal) {
  const registry = client.registry();
  while (!until.aborted) {
    const weights = Buffer.alloc(MODEL_BYTES, `${tally.models}`);
    const operator = { module: "soak", class: "Model", config: { number: tally.models } };
    await registry.store({ operator, weights, name: "production", force: true });
    tally.models++;
    await registry.loadWeights("production");
    if (tally.models % 10 === 0) {
      const policy = { minAgeMs: 0, keepMoves: 3, keepMovedMs: 0 };
      await Array.fromAsync(registry.gc({ policy, apply: true }));
    }
    await pause(everyMs, until);
  }
}

/** Waits, or until the signal. */
export async function pause(ms: number, until: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: until }).catch(() => undefined);
}
