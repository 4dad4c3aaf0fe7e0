import { setTimeout as sleep } from "node:timers/promises";

/** One step of the drain. */
export interface DrainStep {
  readonly name: string;
  /** The step is left behind after this long, milliseconds. */
  readonly limitMs: number;
  readonly run: () => unknown;
}

interface DrainLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/**
 * Runs the steps of a drain one after another. A step that fails or takes too long is logged and left behind: what
 * was acknowledged is on disk already, so nothing is lost by it. Takes at most the sum of the limits.
 */
export async function drain(steps: readonly DrainStep[], log: DrainLog): Promise<void> {
  for (const { name, limitMs, run } of steps) {
    const started = performance.now();
    const timer = new AbortController();
    const late = sleep(limitMs, "late" as const, { signal: timer.signal }).catch(() => "cancelled" as const);
    try {
      const outcome = await Promise.race([(async () => run())(), late]);
      const ms = Math.round(performance.now() - started);
      if (outcome === "late") log.warn({ step: name, ms }, "a step of the drain took too long");
      else log.info({ step: name, ms }, "drained");
    } catch (err) {
      log.error({ err, step: name }, "a step of the drain failed");
    } finally {
      timer.abort();
    }
  }
}
