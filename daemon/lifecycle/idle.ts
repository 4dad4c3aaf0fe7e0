/** What keeps the daemon alive. */
export interface IdleQuestions {
  /** Calls and streams open now. */
  readonly openCalls: () => number;
  /** When the last call began or ended, by performance.now(). */
  readonly lastCallMs: () => number;
  /** Running runs whose process lives. */
  readonly livingRuns: () => number;
  /** Resolves when every sink that is not refused has taken everything; at once when that is so. */
  readonly delivered: (signal: AbortSignal) => Promise<unknown>;
}

/**
 * Calls `exit` once there was nothing to do for `idleMs`. A daemon that still delivers never leaves, however long
 * a tracker is away, and one that is left alone does not stay for ever.
 */
export class IdleWatch {
  readonly #questions: IdleQuestions;
  readonly #idleMs: number;
  readonly #exit: () => void;
  readonly #stopped = new AbortController();
  #busyMs = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #asking = false;

  /** `idleMs` 0 means never. */
  constructor(questions: IdleQuestions, idleMs: number, exit: () => void) {
    this.#questions = questions;
    this.#idleMs = idleMs;
    this.#exit = exit;
  }

  start(): void {
    if (this.#idleMs === 0) return;
    const interval = Math.min(5000, Math.max(20, this.#idleMs / 10));
    this.#timer = setInterval(() => void this.#look(interval), interval);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#stopped.abort();
  }

  async #look(interval: number): Promise<void> {
    if (this.#asking || !this.#isIdle()) return;
    this.#asking = true;
    const asked = performance.now();
    try {
      await this.#questions.delivered(this.#stopped.signal);
    } catch {
      return;
    } finally {
      this.#asking = false;
    }
    if (performance.now() - asked > interval) {
      // It was busy until now: the time without work begins here.
      this.#busyMs = performance.now();
    } else if (this.#isIdle() && !this.#stopped.signal.aborted) {
      this.stop();
      this.#exit();
    }
  }

  #isIdle(): boolean {
    const { openCalls, lastCallMs, livingRuns } = this.#questions;
    const now = performance.now();
    if (openCalls() > 0 || livingRuns() > 0) this.#busyMs = now;
    return now - Math.max(this.#busyMs, lastCallMs()) >= this.#idleMs;
  }
}
