import { hostname } from "node:os";
import type { Logger } from "pino";
import { type Journal, type RunEntry, writingProcess } from "../journal/journal.ts";
import { lives } from "../lifecycle/processes.ts";
import { processOfRun } from "../lifecycle/run-process.ts";
import { Gpus } from "./gpus.ts";
import { RunSampler } from "./run-sampler.ts";

const PAGE = 500;
/** Runs known to have no samples are remembered up to this number. */
const MAX_SETTLED = 4096;
/** Least time between two samples of a run, milliseconds. */
const FLOOR_MS = 1000;
const LONGEST_MS = 2 ** 31 - 1;

export interface SystemWatchOptions {
  readonly journal: Pick<Journal, "append" | "run" | "runs" | "series" | "totals" | "onCommit" | "onResume">;
  /** Throws when the daemon may journal no more. */
  readonly admit: () => Promise<void>;
  readonly log: Logger;
  readonly gpus?: Gpus;
}

/** Samples every running run of this host that asks for it, as long as its process lives. */
export class SystemWatch {
  readonly #options: SystemWatchOptions;
  readonly #gpus: Gpus;
  readonly #samplers = new Map<string, RunSampler>();
  /** Runs that are not sampled, and those that are being looked at. */
  readonly #settled = new Set<string>();
  readonly #stops: (() => void)[] = [];
  #stopped = false;

  constructor(options: SystemWatchOptions) {
    this.#options = options;
    this.#gpus = options.gpus ?? new Gpus(options.log);
  }

  /** Finds the runs that are running, then goes on with those to come. */
  async start(): Promise<void> {
    const { journal, log } = this.#options;
    const look = (runId: string) => {
      if (this.#samplers.has(runId) || this.#settled.has(runId)) return;
      this.#settle(runId);
      journal.run(runId).then(
        (run) => this.#consider(run),
        (err: unknown) => log.warn({ err, runId }, "a run is not sampled"),
      );
    };
    this.#stops.push(
      journal.onCommit((runIds) => runIds.forEach(look)),
      journal.onResume(async (runIds) => {
        // Another process writes them now.
        for (const runId of runIds) {
          await this.#samplers.get(runId)?.stop();
          this.#samplers.delete(runId);
          this.#settled.delete(runId);
          look(runId);
        }
      }),
    );
    // Asked first, because listing runs costs the journal a thread.
    if ((await journal.totals()).runsRunning === 0) return;
    for (let before: string | undefined; ; ) {
      const page = await journal.runs({
        limit: PAGE,
        state: "running",
        ...(before !== undefined && { before }),
      });
      for (const run of page) await this.#consider(run);
      before = page.at(-1)?.runId;
      if (page.length < PAGE) return;
    }
  }

  /** Resolves when nothing more will be journaled. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const stop of this.#stops) stop();
    await Promise.all([...this.#samplers.values()].map((sampler) => sampler.stop()));
    this.#gpus.stop();
  }

  async #consider(run: RunEntry): Promise<void> {
    const { runId, start, state } = run;
    const asked = start.systemMetricsIntervalMs;
    const { pid, host } = writingProcess(run);
    const isOurs = state === "running" && asked > 0 && pid > 0 && host === hostname();
    const process = isOurs ? processOfRun(run) : undefined;
    if (process === undefined || this.#samplers.has(runId)) return this.#settle(runId);
    const { journal, admit, log } = this.#options;
    const intervalMs = Math.min(LONGEST_MS, Math.max(FLOOR_MS, asked));
    const firstStep = nextStep(await journal.series(runId));
    if (this.#stopped || this.#samplers.has(runId)) return;
    const sampler = new RunSampler({
      runId,
      pid: process.pid,
      intervalMs,
      firstStep,
      isAlive: () => lives(process),
      gpus: this.#gpus,
      append: async (frame) => {
        await admit();
        return journal.append(frame, []);
      },
      log,
      onEnd: () => this.#ended(runId),
    });
    this.#samplers.set(runId, sampler);
    this.#gpus.want(intervalMs);
    sampler.start();
  }

  #ended(runId: string): void {
    this.#samplers.delete(runId);
    this.#settle(runId);
    if (this.#samplers.size === 0) this.#gpus.stop();
  }

  #settle(runId: string): void {
    this.#settled.add(runId);
    if (this.#settled.size > MAX_SETTLED) this.#settled.delete(this.#settled.values().next().value ?? "");
  }
}

/** Steps go on rising when a daemon goes on with a run that another has sampled. */
function nextStep(series: readonly { readonly key: string; readonly lastStep: number }[]): number {
  const steps = series.filter(({ key }) => key.startsWith("system/")).map(({ lastStep }) => lastStep);
  return Math.max(-1, ...steps) + 1;
}
