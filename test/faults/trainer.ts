/** Runs trainer.py against a daemon of its own, and counts what came of its points. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, connect, type Run } from "@pipekit/experiment";
import { temporaryHome } from "../support/daemon.ts";
import type { FakeMlflow } from "../support/fake-mlflow.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const PYTHON = join(ROOT, ".venv/bin/python");

/** What to run. */
export interface TrainerOptions {
  readonly home: string;
  readonly seed: number;
  readonly points: number;
  readonly pauseMs: number;
  readonly sinks?: readonly string[];
  readonly env?: Readonly<{ [name: string]: string }>;
}

/** What the trainer says at its end. */
export interface Logged {
  readonly counts: Readonly<{ [key: string]: number }>;
  readonly slowestMs: number;
  readonly dropped: number;
  readonly rejected: number;
}

/** A trainer that runs. */
export interface Trainer {
  readonly child: ChildProcess;
  /** Resolves once the run is started. */
  readonly runId: Promise<string>;
  /** Resolves when the process is gone; undefined when it did not come to its end. */
  readonly done: Promise<Logged | undefined>;
  stderr(): string;
}

/** Environment of processes whose daemon, which they start themselves, has its folders in `home`. */
export function environment(home: string): { [name: string]: string } {
  return {
    PKX_STATE_DIR: join(home, "state"),
    PKX_RUNTIME_DIR: join(home, "run"),
    PKX_NODE: process.execPath,
    // The sources, and not a bundle that some build has left in the Python package.
    PKX_DAEMON: join(ROOT, "daemon/main.ts"),
    PKX_IDLE_EXIT_S: "0",
    XDG_CONFIG_HOME: join(home, "config"),
    PYTHONPATH: join(ROOT, "clients/python/src"),
  };
}

/** Starts trainer.py. */
export function startTrainer(options: TrainerOptions): Trainer {
  const { home, seed, points, pauseMs, sinks = [] } = options;
  const args = [join(import.meta.dirname, "trainer.py"), ...[seed, points, pauseMs].map(String), ...sinks];
  const child = python(args, { ...environment(home), ...options.env });
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  const runId = Promise.withResolvers<string>();
  runId.promise.catch(() => undefined);
  let logged: Logged | undefined;
  if (child.stdout === null) throw new Error("The trainer has no standard output.");
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    if (line.startsWith("run ")) runId.resolve(line.slice(4));
    else logged = JSON.parse(line) as Logged;
  });
  const done = Promise.all([once(child, "exit"), once(lines, "close")]).then(() => {
    runId.reject(new Error(`The trainer started no run: ${stderr}`));
    return logged;
  });
  return { child, runId: runId.promise, done, stderr: () => stderr };
}

function python(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  return spawn(PYTHON, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
}

/** Process id of the daemon whose folders lie in `home`; undefined when none lives. */
export function daemonPid(home: string): number | undefined {
  const file = join(home, "state/daemon.json");
  if (!existsSync(file)) return undefined;
  try {
    const { pid } = JSON.parse(readFileSync(file, "utf8")) as { pid: number };
    process.kill(pid, 0);
    // A pid of an earlier daemon may be anybody's by now.
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(home) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** kill -9 of the daemon in `home`; false when there is none. */
export function killDaemon(home: string): boolean {
  const pid = daemonPid(home);
  if (pid === undefined) return false;
  process.kill(pid, "SIGKILL");
  return true;
}

/** A folder for one round; `end` kills what runs for it and removes it. */
export function roundHome(): { readonly home: string; end(): void } {
  const home = temporaryHome();
  return {
    home,
    end: () => {
      // A second daemon may stand behind the one that holds the lock, because a client started it in a race.
      for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
        if (commandOf(pid).includes(home)) process.kill(Number(pid), "SIGKILL");
      }
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

/** Uses a client of the daemon in `home`, which is started when none lives. */
export async function withClient<T>(home: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect({ env: { ...process.env, ...environment(home) } });
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** Hands over what ended trainers left in the spool. */
export async function replaySpool(home: string): Promise<void> {
  const spool = join(home, "state/spool");
  if (!existsSync(spool) || !readdirSync(spool).some((name) => name.endsWith(".frames"))) return;
  const child = python(["-c", "import pipekit_experiment as p; p.replay_spool()"], environment(home));
  await once(child, "exit");
}

/** What is wrong with a run; all zero when nothing is. */
export interface Damage {
  readonly lost: number;
  readonly doubled: number;
  /** Points that stand before an earlier one of their key. */
  readonly misplaced: number;
}

/** Compares a series with 0, 1, 2, ... `count` - 1. */
export function damageOf(values: Iterable<number>, count: number): Damage {
  const seen = new Set<number>();
  let all = 0;
  let misplaced = 0;
  let last = -1;
  for (const value of values) {
    all++;
    if (value < last) misplaced++;
    last = value;
    seen.add(value);
  }
  return { lost: count - seen.size, doubled: all - seen.size, misplaced };
}

/** Damage of the journal's copy of a run. */
export async function journalDamage(
  client: Client,
  runId: string,
  counts: Logged["counts"],
): Promise<Damage> {
  const series = await client.readSeries(runId);
  return sum(
    Object.entries(counts).map(([key, count]) =>
      damageOf(series.find((one) => one.key === key)?.values ?? [], count),
    ),
  );
}

/** Damage of an MLflow server's copy of a run: ghosts count as doubled. */
export function mlflowDamage(mlflow: FakeMlflow, runId: string, counts: Logged["counts"]): Damage {
  const runs = mlflow.runsOf(runId);
  const points = runs.flatMap((run) => run.points);
  return sum(
    Object.entries(counts).map(([key, count]) =>
      damageOf(
        points.filter((point) => point.key === key).map((point) => Number(point.value)),
        count,
      ),
    ),
  );
}

function sum(all: readonly Damage[]): Damage {
  const total = { lost: 0, doubled: 0, misplaced: 0 };
  for (const { lost, doubled, misplaced } of all) {
    total.lost += lost;
    total.doubled += doubled;
    total.misplaced += misplaced;
  }
  return total;
}

/** The first state of a run that fits. */
export async function runUntil(
  client: Client,
  runId: string,
  fits: (run: Run) => boolean,
  timeoutMs = 30_000,
): Promise<Run> {
  let last: Run | undefined;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    for await (const run of client.watchRuns([runId], { signal })) {
      last = run;
      if (fits(run)) return run;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  throw new Error(`The run did not get there: ${JSON.stringify(last)}`);
}

/** Polls until `fits` holds. */
export async function until(fits: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await fits())) {
    if (Date.now() > deadline) throw new Error(`Not within ${timeoutMs} ms: ${fits}`);
    await sleep(10);
  }
}

/** What the promise resolves to; rejects with the name of the wait when that lasts longer. */
export async function within<T>(timeoutMs: number, what: string, promise: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = sleep(timeoutMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`Not within ${timeoutMs} ms: ${what}`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
    late.catch(() => undefined);
  }
}
