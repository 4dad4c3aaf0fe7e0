/** A token bucket: so much at once, and so much a second. */
export class Bucket {
  readonly #burst: number;
  readonly #perMs: number;
  readonly #now: () => number;
  #level: number;
  #atMs: number;

  /** Full at the start. `perSecond` tokens flow in; `now` tells milliseconds. */
  constructor(burst: number, perSecond: number, now: () => number) {
    this.#burst = burst;
    this.#perMs = perSecond / 1000;
    this.#now = now;
    this.#level = burst;
    this.#atMs = now();
  }

  /** Takes `amount`, or nothing when there is less. */
  take(amount: number): boolean {
    this.#fill();
    if (this.#level < amount) return false;
    this.#level -= amount;
    return true;
  }

  /** Takes `amount`, or all that there is. Whether it was enough. */
  spend(amount: number): boolean {
    if (this.take(amount)) return true;
    this.#level = Math.min(this.#level, 0);
    return false;
  }

  /** Takes `amount` in any case. Returns the milliseconds to wait until that is paid for. */
  owe(amount: number): number {
    this.#fill();
    this.#level -= amount;
    return this.#level >= 0 ? 0 : -this.#level / this.#perMs;
  }

  /** Milliseconds until `amount` can be taken. */
  waitMs(amount: number): number {
    this.#fill();
    return Math.max(0, Math.min(amount, this.#burst) - this.#level) / this.#perMs;
  }

  /** Gives back what was taken. */
  give(amount: number): void {
    this.#level = Math.min(this.#burst, this.#level + amount);
  }

  #fill(): void {
    const now = this.#now();
    this.#level = Math.min(this.#burst, this.#level + (now - this.#atMs) * this.#perMs);
    this.#atMs = now;
  }
}
