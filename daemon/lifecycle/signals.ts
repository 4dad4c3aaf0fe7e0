const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** Exit code after a signal that came while it drained. */
export const EXIT_INTERRUPTED = 130;

/**
 * Calls `drain` at the first signal that asks to stop; the next one ends the process at once. With `before`, the drain
 * begins when that is done, and a signal meanwhile cuts it short.
 */
export function drainOnSignal(
  drain: (reason: string) => void,
  before?: (cut: AbortSignal) => Promise<unknown>,
): void {
  const cut = new AbortController();
  let state: "serving" | "waiting" | "draining" = "serving";
  const begin = (reason: string) => {
    state = "draining";
    drain(reason);
  };
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (state === "draining") process.exit(EXIT_INTERRUPTED);
      if (state === "waiting") return cut.abort();
      if (before === undefined) return begin(signal);
      state = "waiting";
      void before(cut.signal).finally(() => begin(signal));
    });
  }
}
