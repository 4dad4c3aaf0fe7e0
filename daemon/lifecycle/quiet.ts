import { setTimeout as sleep } from "node:timers/promises";

/** Between two looks whether runs have ended, milliseconds. */
const LOOK_MS = 100;
/** By how much a timer may be early, milliseconds, so that one that ran out is not taken for the event. */
const EARLY_MS = 2;

/** What tells whether there is still something to wait for. */
export interface QuietQuestions {
  /** Hands over what dead writers have left. */
  readonly lookAnew: () => Promise<void>;
  readonly runsRunning: () => Promise<number>;
  /** Resolves when every sink has everything, or after the time. */
  readonly delivered: (timeoutMs: number, signal: AbortSignal) => Promise<unknown>;
}

/**
 * Waits until no run is written any more and the sinks have everything, at most `timeoutMs`, and no longer than until
 * the signal is aborted. Returns whether that came about. The daemon serves meanwhile: who still writes is not turned away.
 */
export async function untilQuiet(
  questions: QuietQuestions,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const until = performance.now() + timeoutMs;
  try {
    for (;;) {
      await questions.lookAnew();
      if ((await questions.runsRunning()) === 0) {
        await questions.delivered(Math.max(0, until - performance.now()) + EARLY_MS, signal);
        const inTime = performance.now() < until;
        // A run may have begun meanwhile.
        if (!inTime || (await questions.runsRunning()) === 0) return inTime;
      }
      if (performance.now() + LOOK_MS > until) return false;
      await sleep(LOOK_MS, undefined, { signal });
    }
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
