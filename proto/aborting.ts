import { settling } from "./settling.ts";

/**
 * The result of work, or the signal's reason as soon as it aborts, whatever the work does then. The work goes on, and that
 * it fails when nobody waits for it any more is of no interest.
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  work.catch(() => undefined);
  signal.throwIfAborted();
  const { promise: aborted, reject } = settling<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
