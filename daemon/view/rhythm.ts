/** While nobody has asked for a minute, but somebody listens, milliseconds. */
const IDLE_MS = 10_000;
const IN_USE_MS = 60_000;
/** Looks take at most one part in so many of the time: while it is in use, and while somebody only listens. */
const SHARE = 20;
const IDLE_SHARE = 200;
/** Nobody who only listens waits longer for that share than this, milliseconds: a far registry takes time, but no work here. */
const IDLE_MAX_MS = 60_000;

/** What is looked at. */
export interface Rhythmic {
  /** Between two looks while it is in use, milliseconds. */
  readonly periodMs: number;
  /** Whether somebody listens. */
  readonly isHeard: () => boolean;
  readonly look: () => void;
}

/** When something is looked at again: often while somebody asks for it, seldom while somebody only listens. */
export class Rhythm {
  readonly #of: Rhythmic;
  #timer: NodeJS.Timeout | undefined;
  #usedMs = Number.NEGATIVE_INFINITY;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #tookMs = 0;
  #closed = false;

  constructor(of: Rhythmic) {
    this.#of = of;
  }

  /** Somebody has asked. */
  use(): void {
    this.#usedMs = performance.now();
    this.#schedule();
  }

  /** It was looked at just now. */
  looked(tookMs: number): void {
    this.#lookedMs = performance.now();
    this.#tookMs = tookMs;
  }

  get wasUsed(): boolean {
    return Number.isFinite(this.#usedMs);
  }

  /** Nobody has asked for a minute, and nobody listens. */
  get isIdle(): boolean {
    return !this.#inUse && !this.#of.isHeard();
  }

  /** The last look is longer ago than looks are while it is in use. */
  get isStale(): boolean {
    return performance.now() - this.#lookedMs >= Math.max(2 * this.#of.periodMs, SHARE * this.#tookMs);
  }

  /** How long to wait after work of a kind that took so long before it is done again, milliseconds. */
  pauseAfter(tookMs: number): number {
    const inUse = SHARE * tookMs;
    return this.#inUse ? inUse : Math.max(inUse, Math.min(IDLE_SHARE * tookMs, IDLE_MAX_MS));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  get #inUse(): boolean {
    return performance.now() - this.#usedMs < IN_USE_MS;
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.isIdle) return;
      const pause = Math.max(this.#inUse ? 0 : IDLE_MS, this.pauseAfter(this.#tookMs));
      if (performance.now() - this.#lookedMs >= pause) this.#of.look();
      this.#schedule();
    }, this.#of.periodMs);
    this.#timer.unref();
  }
}
