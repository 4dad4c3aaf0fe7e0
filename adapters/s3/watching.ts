/**
 * Watching objects by looking at them again and again: S3 tells nobody of a write. One poll serves all who watch a key.
 * The first look tells `changed` as well, since a write may have come between the caller's own read and it.
 */

/** What a key looks like now; undefined when there is nothing. */
export type Look = (key: string, signal: AbortSignal) => Promise<string | undefined>;

const LONGEST_PAUSE_MS = 30_000;

/** The polls of one backend. */
export class Watches {
  readonly #look: Look;
  readonly #pollMs: number;
  readonly #polls = new Map<string, Poll>();

  constructor(look: Look, pollMs: number) {
    this.#look = look;
    this.#pollMs = pollMs;
  }

  /** Calls `changed` when the object may have changed; returns the stop function. */
  add(key: string, changed: () => void): () => void {
    const poll = this.#polls.get(key) ?? new Poll((signal) => this.#look(key, signal), this.#pollMs);
    this.#polls.set(key, poll);
    // Of its own for each, so that one function may be given twice.
    const listener = (): void => changed();
    poll.listeners.add(listener);
    return () => {
      poll.listeners.delete(listener);
      if (poll.listeners.size > 0 || this.#polls.get(key) !== poll) return;
      this.#polls.delete(key);
      poll.stop();
    };
  }
}

class Poll {
  readonly listeners = new Set<() => void>();
  readonly #look: (signal: AbortSignal) => Promise<string | undefined>;
  readonly #pollMs: number;
  readonly #stopped = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #seen: { readonly etag: string | undefined } | undefined;
  #failures = 0;

  constructor(look: (signal: AbortSignal) => Promise<string | undefined>, pollMs: number) {
    this.#look = look;
    this.#pollMs = pollMs;
    void this.#poll();
  }

  stop(): void {
    this.#stopped.abort();
    clearTimeout(this.#timer);
  }

  async #poll(): Promise<void> {
    try {
      const etag = await this.#look(this.#stopped.signal);
      this.#failures = 0;
      const same = this.#seen !== undefined && this.#seen.etag === etag;
      this.#seen = { etag };
      if (!same) for (const changed of this.listeners) changed();
    } catch {
      // A reader of the tag is told what is wrong; here it is only looked at less often.
      this.#failures++;
    }
    if (this.#stopped.signal.aborted) return;
    const pause = Math.min(this.#pollMs * 2 ** this.#failures, Math.max(LONGEST_PAUSE_MS, this.#pollMs));
    // Many daemons that were started together shall not look in step.
    this.#timer = setTimeout(() => void this.#poll(), pause * (0.8 + 0.4 * Math.random())).unref();
  }
}
