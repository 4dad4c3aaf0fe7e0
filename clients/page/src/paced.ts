/** Does something again and again as it is asked for, but not too often: it waits its own time several times over. */

/** A metric that is new is seen within this. */
const LEAST_MS = 150;
/** So many times as long as it takes, it rests: large runs are read less often. */
const SHARE = 10;

export class Paced {
  readonly #act: () => Promise<void>;
  readonly #life: AbortSignal;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #acting = false;
  #again = false;
  #notBefore = 0;

  constructor(act: () => Promise<void>, life: AbortSignal) {
    this.#act = act;
    this.#life = life;
    life.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  /** At once, where it was not done of late. */
  soon(): void {
    if (this.#life.aborted || this.#timer !== undefined) return;
    if (this.#acting) this.#again = true;
    else this.#timer = setTimeout(() => this.#run(), Math.max(0, this.#notBefore - performance.now()));
  }

  async #run(): Promise<void> {
    this.#timer = undefined;
    this.#acting = true;
    const started = performance.now();
    try {
      await this.#act();
    } finally {
      const ended = performance.now();
      this.#notBefore = ended + Math.max(LEAST_MS, SHARE * (ended - started));
      this.#acting = false;
      if (this.#again) {
        this.#again = false;
        this.soon();
      }
    }
  }
}
