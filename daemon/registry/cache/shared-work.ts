/** One piece of work for all who ask for it at the same time. */
import type { OnProgress } from "../registry.ts";

interface Running<T> {
  readonly done: Promise<T>;
  readonly stop: AbortController;
  /** One for each who waits. */
  readonly waiting: Set<OnProgress>;
}

export class SharedWork<T> {
  readonly #running = new Map<string, Running<T>>();

  /**
   * Runs `work`, or waits for the one under way with this key, which tells its progress to all. It is stopped when all
   * who wait have gone.
   */
  async run(
    key: string,
    work: (signal: AbortSignal, onProgress: OnProgress) => Promise<T>,
    signal: AbortSignal,
    onProgress: OnProgress = () => undefined,
  ): Promise<T> {
    signal.throwIfAborted();
    const running = this.#running.get(key) ?? this.#start(key, work);
    // One function may come twice.
    const listener: OnProgress = (progress) => onProgress(progress);
    running.waiting.add(listener);
    const gone = Promise.withResolvers<never>();
    const leave = (): void => gone.reject(signal.reason);
    signal.addEventListener("abort", leave);
    try {
      return await Promise.race([running.done, gone.promise]);
    } finally {
      signal.removeEventListener("abort", leave);
      running.waiting.delete(listener);
      if (running.waiting.size === 0) {
        running.stop.abort(signal.reason);
        this.#end(key, running);
      }
    }
  }

  #start(key: string, work: (signal: AbortSignal, onProgress: OnProgress) => Promise<T>): Running<T> {
    const stop = new AbortController();
    const waiting = new Set<OnProgress>();
    const done = work(stop.signal, (progress) => {
      for (const listener of waiting) listener(progress);
    });
    const running = { done, stop, waiting };
    this.#running.set(key, running);
    const end = (): void => this.#end(key, running);
    done.then(end, end);
    return running;
  }

  /** Whoever asks from now on begins anew. */
  #end(key: string, running: Running<T>): void {
    if (this.#running.get(key) === running) this.#running.delete(key);
  }
}
