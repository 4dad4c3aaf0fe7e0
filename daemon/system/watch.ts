import type { Logger } from "pino";
import type { Journal, RunEntry } from "../journal/journal.ts";
import { lives } from "../lifecycle/processes.ts";
import { Gpus } from "./gpus.ts";
import { RunSampler } from "./run-sampler.ts";
import { nameOf, nextStep, type Subject, subjectsOf } from "./subject.ts";

const PAGE = 500;
/** Runs known to have no samples are remembered up to this number. */
const MAX_SETTLED = 4096;
/** Least time between two samples of a run, milliseconds. */
const FLOOR_MS = 1000;
const LONGEST_MS = 2 ** 31 - 1;

export interface SystemWatchOptions {
  readonly journal: Pick<
    Journal,
    "append" | "run" | "runs" | "members" | "series" | "totals" | "onCommit" | "onResume"
  >;
  /** Throws when the daemon may journal no more. */
  readonly admit: () => Promise<void>;
  readonly log: Logger;
  readonly gpus?: Gpus;
}

/** Samples every running run of this host that asks for it, as long as its process lives. */
export class SystemWatch {
  readonly #options: SystemWatchOptions;
  readonly #gpus: Gpus;
  /** By the id of their subjects. */
  readonly #samplers = new Map<string, { readonly runId: string; readonly sampler: RunSampler }>();
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
        // Another process writes them now, or one more: that of a member is sampled by its own name.
        for (const runId of runIds) {
          await this.#samplers.get(runId)?.sampler.stop();
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
    await Promise.all([...this.#samplers.values()].map(({ sampler }) => sampler.stop()));
    this.#gpus.stop();
  }

  async #consider(run: RunEntry): Promise<void> {
    const { runId } = run;
    const { journal } = this.#options;
    const subjects = await subjectsOf(run, journal);
    const fresh = subjects.filter(({ id }) => !this.#samplers.has(id));
    if (fresh.length === 0) return this.#settle(runId);
    const series = await journal.series(runId);
    for (const subject of fresh) this.#sample(runId, subject, nextStep(subject, series));
  }

  #sample(runId: string, subject: Subject, firstStep: number): void {
    const { journal, admit, log } = this.#options;
    const { id, process, askedMs } = subject;
    if (this.#stopped || this.#samplers.has(id)) return;
    const intervalMs = Math.min(LONGEST_MS, Math.max(FLOOR_MS, askedMs));
    const sampler = new RunSampler({
      runId,
      pid: process.pid,
      intervalMs,
      firstStep,
      isAlive: () => lives(process),
      gpus: this.#gpus,
      nameOf: (key) => nameOf(subject, key),
      // Of the ranks of one host, one samples what they share.
      withHost: () => this.#firstOf(runId) === sampler,
      append: async (frame) => {
        await admit();
        return journal.append(frame, []);
      },
      log,
      onEnd: () => this.#ended(runId, id),
    });
    this.#samplers.set(id, { runId, sampler });
    this.#gpus.want(intervalMs);
    sampler.start();
  }

  #firstOf(runId: string): RunSampler | undefined {
    for (const one of this.#samplers.values()) if (one.runId === runId) return one.sampler;
    return undefined;
  }

  #ended(runId: string, id: string): void {
    this.#samplers.delete(id);
    this.#settle(runId);
    if (this.#samplers.size === 0) this.#gpus.stop();
  }

  #settle(runId: string): void {
    this.#settled.add(runId);
    if (this.#settled.size > MAX_SETTLED) this.#settled.delete(this.#settled.values().next().value ?? "");
  }
}
