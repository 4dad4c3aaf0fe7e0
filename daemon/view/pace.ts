/** Does something at once, and then at most once in so many milliseconds, however often it is asked for. */
export class Pace {
  readonly #intervalMs: number;
  readonly #deed: () => void;
  #timer: NodeJS.Timeout | undefined;
  #wanted = false;
  #closed = false;

  constructor(intervalMs: number, deed: () => void) {
    this.#intervalMs = intervalMs;
    this.#deed = deed;
  }

  ask(): void {
    if (this.#closed) return;
    this.#wanted = true;
    if (this.#timer === undefined) this.#act();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #act(): void {
    this.#wanted = false;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#wanted) this.#act();
    }, this.#intervalMs);
    this.#deed();
  }
}
