const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** Exit code after a second signal. */
export const EXIT_INTERRUPTED = 130;

/** Calls `drain` at the first signal that asks to stop; the second one ends the process at once. */
export function drainOnSignal(drain: (reason: string) => void): void {
  let asked = false;
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (asked) process.exit(EXIT_INTERRUPTED);
      asked = true;
      drain(signal);
    });
  }
}
