import { setTimeout as delay } from "node:timers/promises";

/**
 * Yields ids that changed, each at most once per `intervalMs`, until the signal aborts.
 * `subscribe` registers a listener for changed ids and returns the stop function.
 */
export async function* changedIds(
  subscribe: (changed: (id: string) => void) => () => void,
  initial: readonly string[],
  intervalMs: number,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const dirty = new Set(initial);
  let wake = Promise.withResolvers<void>();
  const stop = subscribe((id) => {
    dirty.add(id);
    wake.resolve();
  });
  const onAbort = () => wake.resolve();
  signal.addEventListener("abort", onAbort);
  try {
    while (!signal.aborted) {
      const batch = [...dirty];
      dirty.clear();
      wake = Promise.withResolvers<void>();
      yield* batch;
      if (batch.length > 0) await delay(intervalMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (dirty.size === 0 && !signal.aborted) await wake.promise;
    }
  } finally {
    stop();
    signal.removeEventListener("abort", onAbort);
  }
}
