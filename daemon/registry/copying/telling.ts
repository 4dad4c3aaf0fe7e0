/** What a copy, an export or an import tells while it goes on. */
import type { CopiedModel, CopiedTag, CopyEvent, CopySummary, Progress } from "@pipekit/proto";

/** Progress is told this often at most. */
const EVERY_MS = 250;

/** Counts what is done and passes it on. */
export class Telling {
  readonly #phase: string;
  readonly #bytesTotal: number;
  readonly #modelsTotal: number;
  readonly #events: CopyEvent[] = [];
  /** Bytes of models that are on their way. */
  readonly #moving = new Map<string, number>();
  readonly #sums: CopySummary = { models: 0, created: 0, bytes: 0, tags: 0, problems: 0 };
  #bytesDone = 0;
  #toldAt = Number.NEGATIVE_INFINITY;
  #wake: () => void = () => undefined;

  /** Totals are 0 when they are unknown. */
  constructor(phase: string, totals: { readonly bytes: number; readonly models: number }) {
    this.#phase = phase;
    this.#bytesTotal = totals.bytes;
    this.#modelsTotal = totals.models;
  }

  /** So many of the model's bytes have moved. */
  moved(hash: string, bytes: number): void {
    this.#moving.set(hash, bytes);
    this.#progress();
  }

  /** The model is done; `bytes` is what the selection says it has, for the progress. */
  model(model: CopiedModel, bytes: number): void {
    this.#sums.models += 1;
    this.passed(model.hash, bytes);
    if (model.created) {
      this.#sums.created += 1;
      this.#sums.bytes += model.bytes;
    }
    this.#tell({ part: { $case: "model", value: model } });
  }

  /** The model is behind us, whatever became of it. */
  passed(hash: string, bytes: number): void {
    this.#moving.delete(hash);
    this.#bytesDone += bytes;
    this.#progress();
  }

  tag(tag: CopiedTag): void {
    if (tag.problem === "") this.#sums.tags += 1;
    else this.#sums.problems += 1;
    this.#tell({ part: { $case: "tag", value: tag } });
  }

  #progress(): void {
    if (performance.now() - this.#toldAt < EVERY_MS) return;
    this.#toldAt = performance.now();
    const value: Progress = {
      phase: this.#phase,
      bytesDone: [...this.#moving.values()].reduce((sum, bytes) => sum + bytes, this.#bytesDone),
      bytesTotal: this.#bytesTotal,
      modelsDone: this.#sums.models,
      modelsTotal: this.#modelsTotal,
      filesDone: 0,
      filesTotal: 0,
    };
    this.#tell({ part: { $case: "progress", value } });
  }

  #tell(event: CopyEvent): void {
    this.#events.push(event);
    this.#wake();
  }

  /**
   * Yields what `work` tells, and the summary last; throws what `work` throws. When the reader stops early, `work` is
   * cancelled by its signal and waited for.
   */
  async *during(
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<void>,
  ): AsyncGenerator<CopyEvent> {
    const stop = new AbortController();
    let done = false;
    const working = work(AbortSignal.any([signal, stop.signal]));
    const end = (): void => {
      done = true;
      this.#wake();
    };
    working.then(end, end);
    try {
      for (;;) {
        yield* this.#events.splice(0);
        if (done && this.#events.length === 0) break;
        if (this.#events.length > 0) continue;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      await working;
      yield { part: { $case: "summary", value: this.#sums } };
    } finally {
      stop.abort();
      await working.catch(() => undefined);
    }
  }
}
