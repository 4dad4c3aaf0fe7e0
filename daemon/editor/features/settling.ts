/** Tells a text that stands in a file from one that is being typed: what stands there is seen again and again. */
export class Settling {
  readonly #afterMs: number;
  readonly #seen = new Map<string, { readonly first: number; last: number }>();

  constructor(afterMs: number) {
    this.#afterMs = afterMs;
  }

  /** Notes that the text was seen; true when it has been for long enough. */
  isSettled(text: string): boolean {
    const now = performance.now();
    const known = this.#seen.get(text);
    // Known, but long not seen: it was typed before, and is being typed again.
    const seen = known && now - known.last <= 10 * this.#afterMs ? known : { first: now, last: now };
    seen.last = now;
    if (this.#seen.size >= MOST) this.#seen.clear();
    this.#seen.set(text, seen);
    return now - seen.first >= this.#afterMs;
  }
}

const MOST = 1000;
