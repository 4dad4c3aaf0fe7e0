/**
 * The journal of a daemon that died is damaged: the next start says so, names what mends it and changes nothing. What is
 * intact is salvaged, and then delivered once.
 */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, connect, RunState, SinkState } from "@pipekit/experiment";
import { expect, onTestFinished, test } from "vitest";
import { salvage } from "../../daemon/journal/index.ts";
import { placedFrames } from "../journal/damage.ts";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { answer } from "../support/fake-http.ts";
import { type FakeMlflow, startFakeMlflow } from "../support/fake-mlflow.ts";
import { seeded } from "../support/random.ts";
import { runUntil } from "./trainer.ts";

const ROUNDS = Number(process.env["PKX_FAULT_ROUNDS"] ?? "2");
const FIRST_SEED = Number(process.env["PKX_FAULT_SEED"] ?? "1");
const DONE = SinkState.SINK_STATE_DONE;
const PAGE = 8192;
const RUNS = 3;
const ROWS = 4000;
const LIMITS = JSON.stringify({ backoffBaseMs: 20, backoffCapMs: 100, probeCapMs: 100, saveEveryMs: 5 });
const SCRIPT = join(import.meta.dirname, "crashing-daemon.ts");
const ENV = { PKX_TEST_LIMITS: LIMITS };

async function logRuns(client: Client, mlflow: FakeMlflow): Promise<string[]> {
  const runIds: string[] = [];
  for (let i = 0; i < RUNS; i++) {
    const run = await client.startRun({ config: {}, sinks: [`mlflow+http://${mlflow.host}/damage`] });
    for (let row = 0; row < ROWS; row++) {
      run.log({ a: row }, row);
      // Several frames.
      if (row % 250 === 0) await run.flush();
    }
    await run.end();
    runIds.push(run.runId);
  }
  return runIds;
}

/** Overwrites some pages that hold frames, and sometimes any other. Returns how many. */
function damageJournal(file: string, random: () => number): number {
  const frames = [...placedFrames(file).values()];
  const bytes = readFileSync(file);
  const hit = new Set<number>();
  for (let i = 0; i < 3; i++) {
    const frame = frames[Math.floor(random() * frames.length)];
    for (const page of frame?.pages ?? []) hit.add(page);
  }
  if (random() < 0.3) hit.add(1 + Math.floor(random() * (bytes.length / PAGE)));
  for (const page of hit) {
    const at = (page - 1) * PAGE + Math.floor(random() * 4096);
    for (let i = 0; i < 512; i++) bytes[at + i] = Math.floor(random() * 256);
  }
  writeFileSync(file, bytes);
  return hit.size;
}

async function pointsOf(client: Client, runId: string): Promise<readonly number[] | undefined> {
  const series = await client.readSeries(runId).catch(() => undefined);
  return series?.find(({ key }) => key === "a")?.values as unknown as readonly number[] | undefined;
}

async function round(seed: number) {
  const random = seeded(seed);
  const home = temporaryHome();
  const mlflow = await startFakeMlflow();
  onTestFinished(async () => {
    await mlflow.close();
    rmSync(home, { recursive: true, force: true });
  });
  const first = await startDaemon({ home, script: SCRIPT, env: ENV });
  const client = await connect({ endpoint: first.endpoint });
  // Some is taken before the damage, some is not.
  let calls = 0;
  const taken = 8 + Math.floor(random() * 8);
  mlflow.misbehave(() => (++calls > taken ? answer(503, "away") : undefined));
  const runIds = await logRuns(client, mlflow);
  await runUntil(client, runIds.at(-1) ?? "", ({ sinks }) =>
    sinks.every(({ lastError }) => lastError !== ""),
  );
  client.close();
  await first.stop();
  const file = join(home, "state/journal.db");
  const pages = damageJournal(file, random);
  const damaged = readFileSync(file);
  const startError = await startDaemon({ home, script: SCRIPT, env: ENV }).then(
    async (daemon) => {
      const read = await lookForDamage(daemon, runIds);
      await daemon.stop();
      return read;
    },
    (error: Error) => error.message,
  );
  if (startError !== undefined) {
    expect(startError, `seed ${seed}`).toContain("CORRUPT_JOURNAL");
    expect(startError, `seed ${seed}`).toContain("pkx journal salvage");
  }
  // What was damaged is what is salvaged, whatever the look at it has done.
  writeFileSync(file, damaged);
  for (const suffix of ["-wal", "-shm"]) rmSync(file + suffix, { force: true });
  const report = await salvage(file, join(home, "salvaged.db"));
  copyFileSync(join(home, "salvaged.db"), file);
  mlflow.misbehave(() => undefined);
  const daemon = await startDaemon({ home, script: SCRIPT, env: ENV });
  const again = await connect({ endpoint: daemon.endpoint });
  let kept = 0;
  try {
    for (const runId of runIds) {
      const run = await again.getRun(runId).catch(() => undefined);
      if (run === undefined) continue;
      if (run.state !== RunState.RUN_STATE_RUNNING)
        // A run that was whole before the damage may have been counted while the tool was away: then it has no count.
        await runUntil(again, runId, ({ sinks }) => sinks.every(({ state }) => state === DONE));
      const journaled = [...((await pointsOf(again, runId)) ?? [])];
      kept += journaled.length;
      const shown = mlflow.runsOf(runId).flatMap(({ points }) => points.map(({ value }) => Number(value)));
      // Once and in order; all that the journal has, and what was taken before from frames that are lost now.
      expect(new Set(shown).size, `seed ${seed}`).toBe(shown.length);
      expect(
        shown.toSorted((a, b) => a - b),
        `seed ${seed}`,
      ).toEqual(shown);
      const there = new Set(shown);
      if (run.state !== RunState.RUN_STATE_RUNNING)
        expect(
          journaled.filter((value) => !there.has(value)),
          `seed ${seed}`,
        ).toEqual([]);
    }
  } finally {
    again.close();
    await daemon.stop();
  }
  expect(kept).toBe(report.points);
  return { pages, points: RUNS * ROWS, kept, refusedStart: startError === undefined ? 0 : 1 };
}

/** What reading everything says of a journal that was opened all the same. */
async function lookForDamage(daemon: TestDaemon, runIds: readonly string[]): Promise<string | undefined> {
  const client = await connect({ endpoint: daemon.endpoint });
  try {
    for (const runId of runIds) await client.readSeries(runId);
    return undefined;
  } catch (error) {
    const { code, mend } = error as { code?: string; mend?: string };
    return `${code}: ${mend}`;
  } finally {
    client.close();
  }
}

test(`${ROUNDS} damaged journals: a clear error, and what is intact is delivered once`, {
  timeout: 60_000 + ROUNDS * 60_000,
}, async () => {
  const total = { pages: 0, points: 0, kept: 0, refusedStart: 0 };
  for (let seed = FIRST_SEED; seed < FIRST_SEED + ROUNDS; seed++) {
    const one = await round(seed);
    for (const field of Object.keys(total) as (keyof typeof total)[]) total[field] += one[field];
  }
  console.log(
    `${ROUNDS} damaged journals: ${JSON.stringify(total)}, 0 of the kept lost, doubled or misplaced`,
  );
  expect(total.kept).toBeGreaterThan(0);
  expect(total.refusedStart).toBeGreaterThan(0);
});

test("a journal that is no database at all is named, with its mend, and left as it is", async () => {
  const home = temporaryHome();
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const first = await startDaemon({ home });
  await first.stop();
  const file = join(home, "state/journal.db");
  const noise = Buffer.alloc(64 * 1024, "not a database ");
  writeFileSync(file, noise);
  const error = await startDaemon({ home }).catch((failure: Error) => failure.message);
  expect(error).toContain("CORRUPT_JOURNAL");
  expect(error).toContain("pkx journal salvage");
  expect(error).toContain(file);
  expect(readFileSync(file)).toEqual(noise);
});
