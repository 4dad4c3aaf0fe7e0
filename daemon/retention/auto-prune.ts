import type { Logger } from "pino";
import { type PruneParts, prunes } from "./prune.ts";

/** The first time comes soon after the start: a daemon that is used now and then may never run for a day. */
const FIRST_MS = 60_000;
const DAY_MS = 24 * 3600 * 1000;

/** Prunes runs of a certain age by itself, daily; only those that have sinks, all of which have taken everything. */
export class AutoPrune {
  readonly #parts: PruneParts;
  readonly #days: number;
  readonly #log: Pick<Logger, "info" | "error">;
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  /** `days` 0 for never. */
  constructor(parts: PruneParts, days: number, log: Pick<Logger, "info" | "error">) {
    this.#parts = parts;
    this.#days = days;
    this.#log = log;
  }

  start(): void {
    if (this.#days > 0) this.#after(FIRST_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#abort.abort(new Error("The daemon stops."));
  }

  /** Prunes what is due now. Never rejects. */
  async prune(): Promise<void> {
    const choice = { olderThanS: this.#days * 86_400, runIds: [], apply: true, withoutSinks: false };
    try {
      for await (const { done, runs, points, journalBytes } of prunes(
        this.#parts,
        choice,
        this.#abort.signal,
      )) {
        if (done && runs > 0) this.#log.info({ runs, points, journalBytes }, "pruned runs of that age");
      }
    } catch (err) {
      this.#log.error({ err }, "runs were not pruned");
    }
  }

  #after(ms: number): void {
    this.#timer = setTimeout(() => {
      void this.prune().then(() => {
        if (!this.#abort.signal.aborted) this.#after(DAY_MS);
      });
    }, ms);
    this.#timer.unref();
  }
}
