/** Runs trainer_killed.py, which tells what of its log() calls has returned, and kills it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { environment, until } from "./trainer.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const LANES = 4;
const UNPROTECTED_AT = 64;

export type TrainerMode = "single" | "threads" | "fork" | "spawn" | "signals";

const LANES_OF: Readonly<Record<TrainerMode, number>> = {
  single: 1,
  threads: 4,
  fork: 2,
  spawn: 2,
  signals: 2,
};

/** How to run it. */
export interface KilledTrainerOptions {
  readonly home: string;
  readonly mode: TrainerMode;
  readonly seed: number;
  /** About how long a lane pauses between two calls, microseconds; 0 for full speed. */
  readonly pauseUs: number;
  readonly env?: Readonly<{ [name: string]: string }>;
}

/** A trainer that runs until it is killed. */
export class KilledTrainer {
  readonly #child: ChildProcess;
  readonly #options: KilledTrainerOptions;
  readonly #progress: string;
  #output = "";
  #errors = "";

  constructor(options: KilledTrainerOptions) {
    const { home, mode, seed, pauseUs, env } = options;
    this.#options = options;
    this.#progress = join(home, `progress-${mode}-${seed}`);
    const script = join(import.meta.dirname, "trainer_killed.py");
    this.#child = spawn(
      join(ROOT, ".venv/bin/python"),
      [script, mode, String(seed), String(pauseUs), this.#progress],
      { env: { ...process.env, ...environment(home), ...env }, stdio: ["ignore", "pipe", "pipe"] },
    );
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.#output += chunk;
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#errors += chunk;
    });
  }

  /** Resolves once every lane has logged. */
  async logging(): Promise<void> {
    const lanes = LANES_OF[this.#options.mode];
    await until(() => {
      if (this.#child.exitCode !== null) throw new Error(`The trainer ended: ${this.#errors}`);
      return this.progress()
        .counts.slice(0, lanes)
        .every((count) => count > 10);
    }, 60_000);
  }

  /** kill -9 of all its processes, the child first or last. */
  async kill(): Promise<void> {
    const child = Number(/^child (\d+)$/m.exec(this.#output)?.[1] ?? 0);
    const pids = [this.#child.pid ?? 0, child].filter((pid) => pid > 0);
    if (this.#options.seed % 2 === 0) pids.reverse();
    const gone = once(this.#child, "exit");
    for (const pid of pids) process.kill(pid, "SIGKILL");
    await gone;
    if (child > 0) await until(() => !existsSync(`/proc/${child}`));
  }

  /** Counts of the lanes, and points that the rings had no room for. */
  progress(): { readonly counts: readonly number[]; readonly unprotected: number } {
    const bytes = existsSync(this.#progress) ? readFileSync(this.#progress) : Buffer.alloc(0);
    if (bytes.length < 2 * UNPROTECTED_AT) return { counts: Array(LANES).fill(0), unprotected: 0 };
    const places = (at: number) =>
      Array.from({ length: LANES }, (_, lane) => Number(bytes.readBigInt64LE(at + 8 * lane)));
    const unprotected = places(UNPROTECTED_AT);
    // Threads tell the same number; processes each have their own.
    const sum =
      this.#options.mode === "threads" ? Math.max(...unprotected) : unprotected.reduce((a, b) => a + b);
    return { counts: places(0), unprotected: sum };
  }

  /** Ids of its runs. */
  runIds(): readonly string[] {
    return [...this.#output.matchAll(/^run (\w+)$/gm)].map((match) => match[1] ?? "");
  }
}

export function startKilledTrainer(options: KilledTrainerOptions): KilledTrainer {
  return new KilledTrainer(options);
}

/** Names of the files in the ring folder of the daemon in `home`. */
export function ringFiles(home: string): string[] {
  const folders = readdirSync(join(home, "run")).filter((name) => name.endsWith(".rings"));
  return folders.flatMap((folder) => readdirSync(join(home, "run", folder)));
}
