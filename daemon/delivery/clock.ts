/** Time, as delivery sees it; tests bring their own. */
export interface Clock {
  /** Milliseconds since some moment: they go on evenly, also while the computer's time of day is set. */
  now(): number;
  /** Unix milliseconds of a moment of `now`, by the time of day as it is set now: for what a person is shown. */
  unixMs(moment: number): number;
  /** Calls `fire` once after `ms`; returns the function that calls it off. */
  timer(ms: number, fire: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  unixMs: (moment) => Date.now() + moment - performance.now(),
  timer(ms, fire) {
    // setTimeout takes anything longer for 1 ms.
    const timer = setTimeout(fire, Math.min(ms, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
};

/**
 * Waits `ms` (for ever when undefined), or until `cut` calls back; `cut` returns its own undo. Resolves to true when it
 * was cut. Rejects with the signal's reason on abort.
 */
export function sleep(
  clock: Clock,
  ms: number | undefined,
  signal: AbortSignal,
  cut?: (wake: () => void) => () => void,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const end = (settle: () => void) => {
      cancel?.();
      uncut?.();
      signal.removeEventListener("abort", abort);
      settle();
    };
    const abort = () => end(() => reject(signal.reason));
    const cancel = ms === undefined ? undefined : clock.timer(ms, () => end(() => resolve(false)));
    const uncut = cut?.(() => end(() => resolve(true)));
    signal.addEventListener("abort", abort);
  });
}
