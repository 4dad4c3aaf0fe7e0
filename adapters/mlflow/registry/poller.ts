/** Looks at the registered model now and then while somebody watches a key: one look for all of them. */

const LONGEST_PAUSE_MS = 30_000;

export class Poller {
  readonly #versions: (signal: AbortSignal) => Promise<ReadonlyMap<string, string>>;
  readonly #pollMs: number;
  readonly #watched = new Map<string, Set<() => void>>();
  #seen: ReadonlyMap<string, string> | undefined;
  #running: AbortController | undefined;

  /** `versions` tells the version of each key that there is. */
  constructor(versions: (signal: AbortSignal) => Promise<ReadonlyMap<string, string>>, pollMs: number) {
    this.#versions = versions;
    this.#pollMs = pollMs;
  }

  /** Calls `changed` when `key` may have changed; returns the stop function. */
  watch(key: string, changed: () => void): () => void {
    // Each watch its own: one function may watch twice.
    const tell = () => changed();
    const watchers = this.#watched.get(key) ?? new Set();
    this.#watched.set(key, watchers.add(tell));
    if (this.#running === undefined) this.#start();
    return () => {
      watchers.delete(tell);
      if (watchers.size === 0 && this.#watched.get(key) === watchers) this.#watched.delete(key);
      if (this.#watched.size > 0) return;
      this.#running?.abort();
      this.#running = undefined;
      this.#seen = undefined;
    };
  }

  #start(): void {
    const stop = new AbortController();
    this.#running = stop;
    let pauseMs = this.#pollMs;
    const look = async (): Promise<void> => {
      try {
        const now = await this.#versions(stop.signal);
        if (stop.signal.aborted) return;
        this.#compare(now);
        pauseMs = this.#pollMs;
      } catch {
        // A server that is away is asked less often; whoever reads the key hears of it.
        pauseMs = Math.min(pauseMs * 2, Math.max(LONGEST_PAUSE_MS, this.#pollMs));
      }
      if (!stop.signal.aborted) setTimeout(look, pauseMs * (0.9 + Math.random() * 0.2)).unref();
    };
    void look();
  }

  #compare(now: ReadonlyMap<string, string>): void {
    const before = this.#seen;
    this.#seen = now;
    for (const [key, watchers] of this.#watched) {
      // The first look may have come after a change that the watcher's own first read came before.
      const same = before !== undefined && before.get(key) === now.get(key);
      if (!same) for (const tell of [...watchers]) tell();
    }
  }
}
