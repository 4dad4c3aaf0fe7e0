import { type Frame, PipekitError, packRows } from "@pipekit/proto";
import { ulid } from "ulid";
import type { Gpus } from "./gpus.ts";
import { HostUsage } from "./host.ts";
import { ProcessTree } from "./process-tree.ts";

/** What one run is sampled with. */
export interface RunSamplerOptions {
  readonly runId: string;
  readonly pid: number;
  readonly intervalMs: number;
  readonly firstStep: number;
  readonly isAlive: () => boolean;
  readonly gpus: Pick<Gpus, "latest">;
  /** What a sample is called in the run. */
  readonly nameOf: (key: string) => string;
  /** Whether what the host's processes share is this one's to sample. */
  readonly withHost: () => boolean;
  readonly append: (frame: Frame) => Promise<unknown>;
  readonly log: { warn(fields: object, message: string): void };
  /** Called once, when it has ended by itself. */
  readonly onEnd: () => void;
}

/** The run takes nothing more: another try would not help. */
const FINAL: ReadonlySet<string> = new Set([
  "RUN_ENDED",
  "RUN_NOT_FOUND",
  "INVALID_FRAME",
  "INVALID_ARGUMENT",
]);

/**
 * Journals a row of system metrics every interval; the step is the number of the sample. Ends when the process is
 * gone or the journal says that the run has ended: so nothing of it stands behind the run's end. A sample that cannot
 * be journaled, on a full disk for instance, is left out.
 */
export class RunSampler {
  readonly #options: RunSamplerOptions;
  readonly #writerId = ulid();
  readonly #host = new HostUsage();
  readonly #tree: ProcessTree;
  #seq = 1;
  #step: number;
  #timer: NodeJS.Timeout | undefined;
  #sampling: Promise<void> = Promise.resolve();
  #stopped = false;
  #isFailing = false;

  constructor(options: RunSamplerOptions) {
    this.#options = options;
    this.#step = options.firstStep;
    this.#tree = new ProcessTree(options.pid);
  }

  start(): void {
    let isBusy = false;
    this.#timer = setInterval(() => {
      // Behind a slow disk samples are left out, not queued.
      if (isBusy) return;
      isBusy = true;
      this.#sampling = this.#sample().finally(() => {
        isBusy = false;
      });
    }, this.#options.intervalMs);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#sampling;
  }

  async #sample(): Promise<void> {
    const { runId, isAlive, append, log, gpus, nameOf, withHost } = this.#options;
    if (this.#stopped) return;
    if (!isAlive()) return this.#end();
    try {
      const shared = withHost() ? [...(await this.#host.sample()), ...gpus.latest()] : [];
      const usage = [...shared, ...this.#tree.sample()];
      if (usage.length === 0) return;
      const keys = usage.map(([key]) => nameOf(key));
      const values = usage.map(([, value]) => value);
      const columns = packRows([{ keys, step: this.#step, timeUs: Date.now() * 1000, values }]);
      // The number belongs to the moment, also when its sample is left out.
      this.#step++;
      const records = [{ record: { $case: "metrics" as const, value: columns } }];
      await append({ writerId: this.#writerId, seq: this.#seq, runId, records });
      this.#seq++;
      this.#isFailing = false;
    } catch (error) {
      if (error instanceof PipekitError && FINAL.has(error.code)) return this.#end();
      if (!this.#isFailing) log.warn({ err: error, runId }, "system metrics are left out");
      this.#isFailing = true;
    }
  }

  #end(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#options.onEnd();
  }
}
