/**
 * The daemon dies by kill -9 at each named point of each kind of sink, at moments within calls, and at random instants,
 * `$PKX_FAULT_ROUNDS` rounds (2) of one kill of each kind and some at random: afterwards each of six destinations shows
 * each point once and in order. Tools whose replay is not idempotent rely on the memo that is saved with the cursor.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect, type Run } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, temporaryHome } from "../support/daemon.ts";
import { type Copy, CREDENTIALS, SCHEMES, type Scheme, SixDestinations, WHOLE } from "./destinations.ts";
import { type Damage, journalDamage, runUntil, seeded } from "./trainer.ts";

const SCRIPT = join(import.meta.dirname, "crashing-daemon.ts");
const ROUNDS = Number(process.env["PKX_FAULT_ROUNDS"] ?? "2");
const FIRST_SEED = Number(process.env["PKX_FAULT_SEED"] ?? "1");
const AT_ONCE = 2;
const ROWS = 1500;
const COUNTS = { a: ROWS, b: ROWS, "c/d": ROWS / 2 };
const POINTS = 2.5 * ROWS;
/** In the order in which they come up in the life of a sink. */
const PLACES = [
  ...["before-open", "during-open", "after-open"],
  ...["before-send", "during-send", "after-send", "before-cursor", "during-cursor", "after-cursor"],
  ...["before-finish", "during-finish", "after-finish"],
];
// Small batches and a fast clock, so that each point comes up often in a short time.
const LIMITS = { lingerMs: 5, saveEveryMs: 5, saveEveryBatches: 2, backoffBaseMs: 20 };
const ENV = { ...CREDENTIALS, PKX_TEST_LIMITS: JSON.stringify(LIMITS), PKX_TEST_MAX_POINTS: "150" };

let six: SixDestinations;

beforeAll(async () => {
  six = await SixDestinations.start();
});

afterAll(() => six.close());

interface Round {
  readonly seed: number;
  readonly kills: readonly string[];
  readonly journal: Damage;
  readonly copies: Readonly<Record<Scheme, Copy>>;
  readonly sinks: readonly object[];
}

/** Where the daemon dies in this round: each kind once, kinds and places in a random order, and at three instants. */
function crashesOf(random: () => number): string[] {
  const places = SCHEMES.map((scheme) => {
    const place = PLACES[Math.floor(random() * PLACES.length)] ?? "";
    const nth = /send|cursor/.test(place) ? 1 + Math.floor(random() * 3) : 1;
    const after = place.startsWith("during") && random() < 0.7 ? `+${(random() * 6).toFixed(1)}` : "";
    // MLflow's is the quickest to have everything.
    const haste = scheme === "mlflow+http" && !place.endsWith("finish") ? 6 : 0;
    return { order: PLACES.indexOf(place) + random() - haste, line: `${place}@${scheme}:${nth}${after}` };
  });
  const instants = Array.from({ length: 3 }, () => {
    return { order: random() * PLACES.length, line: `timer:${Math.floor(150 + random() * 600)}` };
  });
  return [...places, ...instants].sort((a, b) => a.order - b.order).map(({ line }) => line);
}

async function logRun(client: Client): Promise<string> {
  const run = await client.startRun({ config: { lr: 0.1 }, sinks: Object.values(six.specs) });
  for (let row = 0; row < ROWS; row++) {
    run.log({ a: row, b: row, ...(row % 2 === 0 && { "c/d": row / 2 }) }, row);
  }
  await run.end();
  return run.runId;
}

async function round(seed: number): Promise<Round> {
  const home = temporaryHome();
  const folder = mkdtempSync(join(tmpdir(), "pkx-crash-"));
  const crashes = crashesOf(seeded(seed));
  try {
    const first = await startDaemon({ home, script: SCRIPT, env: ENV });
    const client = await connect({ endpoint: first.endpoint });
    const runId = await logRun(client);
    await first.kill9();
    client.close();
    const kills: string[] = [];
    for (;;) {
      const [next = "", ...rest] = crashes;
      const done = await life(home, runId, next, folder);
      if (done !== undefined) return { seed, kills, ...done };
      kills.push(next);
      crashes.splice(0, crashes.length, ...rest);
    }
  } catch (cause) {
    throw new Error(`seed ${seed} failed with ${crashes.length} kills to go`, { cause });
  } finally {
    rmSync(home, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A start of the daemon that ends by kill -9 at `crash`, or with everything delivered. */
async function life(home: string, runId: string, crash: string, folder: string) {
  const file = join(folder, "crashes");
  writeFileSync(file, crash);
  // It may die before it is ready.
  const env = { ...ENV, PKX_TEST_CRASHES: file };
  const daemon = await startDaemon({ home, script: SCRIPT, env }).catch((error: Error) => {
    if (crash === "") throw error;
  });
  if (daemon === undefined) return;
  const client = await connect({ endpoint: daemon.endpoint }).catch(async (error: Error) => {
    if (!(await isKilled(daemon.exited))) throw error;
  });
  if (client === undefined) return;
  try {
    const delivered = runUntil(
      client,
      runId,
      ({ sinks }) => sinks.every((sink) => sink.pointsShown >= 0),
      90_000,
    );
    const outcome = await Promise.race([
      delivered.catch((error: Error) => error),
      daemon.exited.then(({ signal }) => signal),
    ]);
    if (outcome === "SIGKILL" || (outcome instanceof Error && (await isKilled(daemon.exited)))) return;
    if (outcome instanceof Error || typeof outcome === "string" || outcome === null) {
      throw new Error(`The daemon ended: ${outcome}, ${daemon.stderr()}`);
    }
    return await look(client, outcome);
  } finally {
    client.close();
    await daemon.stop();
  }
}

/** The client may hear of the end before we do. */
async function isKilled(exited: Promise<{ readonly signal: string | null }>): Promise<boolean> {
  const soon = new Promise<undefined>((done) => setTimeout(done, 2000, undefined));
  return (await Promise.race([exited, soon]))?.signal === "SIGKILL";
}

async function look(client: Client, run: Run) {
  return {
    journal: await journalDamage(client, run.runId, COUNTS),
    copies: await six.damage(run.runId, COUNTS),
    sinks: run.sinks.map(({ spec, pointsSent, pointsDead, pointsShown, notes }) => {
      const scheme = spec.slice(0, spec.indexOf(":"));
      return { scheme, pointsSent, pointsDead, pointsShown, notes };
    }),
  };
}

test(`${ROUNDS} rounds of kill -9 within six kinds of sinks lose, double and misplace nothing`, {
  timeout: 60_000 + ROUNDS * 120_000,
}, async () => {
  const seeds = Array.from({ length: ROUNDS }, (_, i) => FIRST_SEED + i);
  const rounds: Round[] = [];
  const worker = async () => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) rounds.push(await round(seed));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const kills = rounds.flatMap((one) => one.kills);
  const all = rounds.flatMap(({ copies }) => Object.values(copies));
  const sum = (of: (copy: Copy) => number) => all.reduce((total, copy) => total + of(copy), 0);
  console.log(
    `${ROUNDS} rounds, ${kills.length} kills, ${rounds.length * POINTS * SCHEMES.length} points at sinks: ` +
      `${sum((c) => c.lost)} lost, ${sum((c) => c.doubled)} doubled, ${sum((c) => c.misplaced)} misplaced`,
  );
  for (const { seed, journal, copies, sinks } of rounds) {
    expect({ seed, journal, copies }).toEqual({
      seed,
      journal: { lost: 0, doubled: 0, misplaced: 0 },
      copies: Object.fromEntries(SCHEMES.map((scheme) => [scheme, WHOLE])),
    });
    for (const sink of sinks) {
      expect({ seed, ...sink }).toMatchObject({
        pointsSent: POINTS,
        pointsDead: 0,
        pointsShown: POINTS,
        notes: [],
      });
    }
  }
  expect(kills.length).toBeGreaterThanOrEqual(ROUNDS * SCHEMES.length);
});
