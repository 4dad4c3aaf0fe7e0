/** Word of changes: those that come close together are told as one. */
export class Changes {
  readonly #told: () => void;
  /** By performance.now(). */
  #due = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(told: () => void) {
    this.#told = told;
  }

  /** Tells of a change after so many milliseconds, or sooner when that was promised already. */
  tell(milliseconds: number): void {
    const due = performance.now() + milliseconds;
    if (due >= this.#due || this.#closed) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => {
      this.#due = Number.POSITIVE_INFINITY;
      this.#told();
    }, milliseconds);
    this.#timer.unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
