import { setTimeout as delay } from "node:timers/promises";
import type { Delivery } from "../delivery/index.ts";
import type { Journal } from "../journal/index.ts";

/** Registers a listener for changed ids; returns the stop function. */
export type Subscribe = (changed: (id: string) => void) => () => void;

/** Tells of every run to which something was journaled, or of whose sinks something was. */
export function runChanges(
  journal: Pick<Journal, "onCommit">,
  delivery: Pick<Delivery, "onChange">,
): Subscribe {
  return (changed) => {
    const stops = [journal.onCommit((ids) => ids.forEach(changed)), delivery.onChange(changed)];
    return () => {
      for (const stop of stops) stop();
    };
  };
}

/** Collects ids that changed until they are taken. */
export class Changes {
  readonly #dirty = new Set<string>();
  readonly #stop: () => void;
  readonly #signal: AbortSignal;
  #wake = Promise.withResolvers<void>();

  constructor(subscribe: Subscribe, signal: AbortSignal) {
    this.#signal = signal;
    this.#stop = subscribe((id) => {
      this.#dirty.add(id);
      this.#wake.resolve();
    });
    signal.addEventListener("abort", this.#onAbort);
  }

  /** What changed since the last time. */
  take(): string[] {
    const ids = [...this.#dirty];
    this.#dirty.clear();
    if (!this.#signal.aborted) this.#wake = Promise.withResolvers<void>();
    return ids;
  }

  /** Waits until something has changed, or the signal aborts. */
  async some(): Promise<void> {
    if (this.#dirty.size === 0 && !this.#signal.aborted) await this.#wake.promise;
  }

  close(): void {
    this.#stop();
    this.#signal.removeEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = () => this.#wake.resolve();
}

/**
 * Yields what `initial` tells and then ids that changed, each at most once per `intervalMs`, until the signal aborts. It
 * listens before it asks, so that nothing falls in between.
 */
export async function* changedIds(
  subscribe: Subscribe,
  initial: () => Promise<readonly string[]>,
  intervalMs: number,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const changes = new Changes(subscribe, signal);
  try {
    for (let batch = [...new Set(await initial())]; !signal.aborted; batch = changes.take()) {
      yield* batch;
      if (batch.length > 0) await pause(intervalMs, signal);
      await changes.some();
    }
  } finally {
    changes.close();
  }
}

/** Waits; an abort ends the wait. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
