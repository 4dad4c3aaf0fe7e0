/** Calls a function soon, and not more often than every so many milliseconds, however often it is wanted. */
export class Calm {
  readonly #act: () => void;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;
  #actedAt = 0;

  constructor(act: () => void, everyMs: number) {
    this.#act = act;
    this.#everyMs = everyMs;
  }

  want(): void {
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        this.#actedAt = Date.now();
        this.#act();
      },
      Math.max(0, this.#actedAt + this.#everyMs - Date.now()),
    );
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }
}
