/** One daemon on its own: at rest, with one training beside it, and with as much as it takes. */
import { spawn } from "node:child_process";
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@pipekit/experiment";
import { ulid } from "ulid";
import { z } from "zod";
import { ROOT } from "../../e2e/demo/processes.ts";
import { framesOfRun, sendFrames } from "../../faults/flood.ts";
import { startDaemon, type TestDaemon, temporaryHome } from "../../support/daemon.ts";
import { BUNDLE } from "../bundle.ts";
import { residentBytes } from "../machine.ts";
import { costOf, mib } from "../process-cost.ts";
import { framesOf, KEYS } from "./frames.ts";
import type { Section } from "./section.ts";

const SETTLED_MS = 7000;
const REST_MS = 12_000;
/** After a flood. */
const CALM_MS = 3000;
const TRAINING_S = 12;
const POINTS = 2_000_000;
const ROWS = 20_000;
const HUNDREDS = 2000;
const PYTHON = join(ROOT, ".venv/bin/python");
const Told = z.object({ cpu_s: z.number() });

const share = (cores: number) => `${(100 * cores).toFixed(2)} % of a core`;

/** Bytes of the journal of a daemon that has stopped. */
function journalBytes(stateFolder: string): number {
  const files = readdirSync(stateFolder).filter((name) => name.startsWith("journal.db"));
  return files.reduce((sum, name) => sum + statSync(join(stateFolder, name)).size, 0);
}

/** Work on a daemon of its own, and what is in its journal afterwards. */
async function alone<T>(work: (daemon: TestDaemon) => Promise<T>): Promise<{ result: T; disk: number }> {
  const home = temporaryHome();
  try {
    const daemon = await startDaemon({ home, script: BUNDLE });
    const result = await work(daemon).finally(() => daemon.stop());
    return { result, disk: journalBytes(daemon.stateFolder) };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

const empty = async () => (await alone(async () => undefined)).disk;

async function rest(): Promise<string[]> {
  const { result } = await alone(async (daemon) => {
    const client = await connect({ endpoint: daemon.endpoint });
    await client.status();
    client.close();
    await delay(SETTLED_MS);
    return costOf(daemon.pid, () => delay(REST_MS));
  });
  return ["at rest, after one client", mib(result.peak), share(result.cpuS / result.wallS), "", ""];
}

/** A Python process that logs a row of ten values a second, with or without a sample of the host each second. */
async function training(systemS: number): Promise<string[]> {
  const { result } = await alone(async (daemon) => {
    const script = join(import.meta.dirname, "training.py");
    const trainer = spawn(PYTHON, [script, String(TRAINING_S), String(systemS)], {
      env: { ...process.env, ...daemon.clientEnv },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const lines = createInterface(trainer.stdout)[Symbol.asyncIterator]();
    await lines.next();
    await delay(SETTLED_MS);
    const client = await connect({ endpoint: daemon.endpoint });
    const before = (await client.status()).points;
    let told = "";
    const cost = await costOf(daemon.pid, async () => {
      trainer.stdin.end("go\n");
      told = String((await lines.next()).value);
    });
    const points = (await client.status()).points - before;
    client.close();
    return { ...cost, points, trainerS: Told.parse(JSON.parse(told)).cpu_s };
  });
  return [
    `a training beside it: a row of ten values a second${systemS === 0 ? "" : ", and system metrics each second"}`,
    mib(result.peak),
    `${share(result.cpuS / result.wallS)}; the trainer's own ${share(result.trainerS / TRAINING_S)}`,
    `${Math.round(result.points / result.wallS)} points/s`,
    "",
  ];
}

async function flood(name: string, frames: number, rows: number, emptyBytes: number): Promise<string[]> {
  const points = rows === 0 ? POINTS : frames * rows * KEYS.length;
  const { result, disk } = await alone(async (daemon) => {
    const source = rows === 0 ? framesOfRun(ulid(), POINTS, []) : framesOf(frames, rows);
    const cost = await costOf(daemon.pid, () => sendFrames(daemon.endpoint, source));
    await delay(CALM_MS);
    return { ...cost, after: residentBytes(daemon.pid) };
  });
  const perFrame = (result.cpuS / frames) * 1e6;
  return [
    name,
    `${mib(result.peak)}, afterwards ${mib(result.after)}`,
    `${perFrame.toFixed(0)} µs a frame, ${((result.cpuS / points) * 1e6).toFixed(2)} s for a million points`,
    `${Math.round(frames / result.wallS)} frames/s, ${Math.round(points / result.wallS)} points/s`,
    `${((disk - emptyBytes) / points).toFixed(1)} B/point`,
  ];
}

export async function oneDaemon(): Promise<Section> {
  const emptyBytes = await empty();
  // Beside each other: they leave the machine as good as alone.
  const quiet = await Promise.all([rest(), training(0), training(1)]);
  const rows = [
    ...quiet,
    await flood("frames of one row of ten values, as fast as they go", ROWS, 1, emptyBytes),
    await flood("frames of a hundred rows of ten values", HUNDREDS, 100, emptyBytes),
    await flood("frames of 4096 rows of one value", Math.ceil(POINTS / 4096), 0, emptyBytes),
  ];
  const header = ["", "resident memory", "processor time", "rate, wall clock", "journal"];
  return { title: "One daemon", header, rows };
}
