/**
 * Runs `count` workers that share a signal: the first failure stops the others. It returns, or throws that failure, only
 * when all of them have ended, so that nothing is still at work on their buffers and files.
 */
export async function runWorkers(
  count: number,
  worker: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  let failure: { readonly error: unknown } | undefined;
  const run = async (): Promise<void> => {
    try {
      await worker(both);
    } catch (error) {
      failure ??= { error };
      stop.abort(error);
    }
  };
  await Promise.all(Array.from({ length: count }, run));
  signal.throwIfAborted();
  if (failure !== undefined) throw failure.error;
}

/** Does something with each item, with at most `atOnce` at a time, begun in their order. Ends as `runWorkers` does. */
export async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  use: (item: T, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const queue = items.values();
  const worker = async (stop: AbortSignal): Promise<void> => {
    for (const item of queue) {
      stop.throwIfAborted();
      await use(item, stop);
    }
  };
  await runWorkers(Math.min(atOnce, items.length), worker, signal);
}
