import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Usage } from "./host.ts";

const FIELDS = ["index", "utilization.gpu", "memory.used", "memory.total", "power.draw", "power.limit"];
/** Silence after which the tool is taken to hang, beside twice its interval, milliseconds. */
const PATIENCE_MS = 10_000;
const MEBIBYTE = 1024 * 1024;

interface GpuLog {
  warn(fields: object, message: string): void;
}

/**
 * What the NVIDIA GPUs of the host use, by one `nvidia-smi` that runs while anybody asks: starting it for each sample
 * would cost more than all the rest. Where there is none there are no GPUs; one that fails or hangs is ended, told of
 * once and not started again.
 */
export class Gpus {
  readonly #command: string;
  readonly #log: GpuLog;
  readonly #patienceMs: number;
  #child: ChildProcess | undefined;
  #intervalMs = Number.POSITIVE_INFINITY;
  #watchdog: NodeJS.Timeout | undefined;
  #gaveUp = false;
  readonly #readings = new Map<number, { readonly usage: Usage; readonly atMs: number }>();

  constructor(log: GpuLog, command = "nvidia-smi", patienceMs = PATIENCE_MS) {
    this.#log = log;
    this.#command = command;
    this.#patienceMs = patienceMs;
  }

  /** Sees to it that there is a reading at least every `intervalMs`. */
  want(intervalMs: number): void {
    if (this.#gaveUp || intervalMs >= this.#intervalMs) return;
    this.#end();
    this.#intervalMs = intervalMs;
    const query = `--query-gpu=${FIELDS.join(",")}`;
    const loop = `--loop-ms=${intervalMs}`;
    const child = spawn(this.#command, [query, "--format=csv,noheader,nounits", loop], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.#child = child;
    child.unref();
    child.once("error", () => this.#giveUp(child, undefined));
    child.once("exit", (code, signal) => this.#giveUp(child, `it ended (${signal ?? code})`));
    createInterface({ input: child.stdout }).on("line", (line) => this.#read(child, line));
    this.#expectLine(child);
  }

  /** The readings that are fresh: as old as two intervals at most. */
  latest(): Usage {
    const since = performance.now() - 2 * this.#intervalMs;
    const usages = [...this.#readings.values()].filter(({ atMs }) => atMs >= since);
    return new Map(usages.flatMap(({ usage }) => [...usage]));
  }

  /** Ends the tool; a later `want` starts it again. */
  stop(): void {
    this.#end();
    this.#intervalMs = Number.POSITIVE_INFINITY;
  }

  #read(child: ChildProcess, line: string): void {
    if (child !== this.#child) return;
    this.#expectLine(child);
    const fields = line.split(",").map(Number);
    const [index, busy, used, total, power, limit] = fields;
    if (fields.length !== FIELDS.length || !Number.isInteger(index)) return;
    const usage: Usage = new Map();
    const set = (name: string, value: number | undefined) => {
      // What a GPU does not tell reads as `[N/A]`.
      if (Number.isFinite(value)) usage.set(`system/gpu_${index}_${name}`, Number(value));
    };
    set("utilization_percentage", busy);
    set("memory_usage_megabytes", ((used ?? Number.NaN) * MEBIBYTE) / 1e6);
    set("memory_usage_percentage", (100 * (used ?? Number.NaN)) / (total ?? Number.NaN));
    set("power_usage_watts", power);
    set("power_usage_percentage", (100 * (power ?? Number.NaN)) / (limit ?? Number.NaN));
    this.#readings.set(Number(index), { usage, atMs: performance.now() });
  }

  #expectLine(child: ChildProcess): void {
    clearTimeout(this.#watchdog);
    const limitMs = this.#patienceMs + 2 * this.#intervalMs;
    this.#watchdog = setTimeout(() => this.#giveUp(child, "it hangs"), limitMs);
    this.#watchdog.unref();
  }

  /** `why` undefined when there is no such tool: that is no fault. */
  #giveUp(child: ChildProcess, why: string | undefined): void {
    if (child !== this.#child) return;
    this.#gaveUp = true;
    this.#end();
    if (why !== undefined) this.#log.warn({ why }, "GPUs are sampled no more: nvidia-smi failed");
  }

  #end(): void {
    clearTimeout(this.#watchdog);
    const child = this.#child;
    this.#child = undefined;
    this.#readings.clear();
    child?.stdout?.destroy();
    child?.kill("SIGKILL");
  }
}
