/** Tells W&B that a run without news is alive: without a word for some minutes W&B shows a run as crashed. */

/** As often as W&B's own client. */
const EVERY_MS = 30_000;

export class Heartbeat {
  readonly #beat: (signal: AbortSignal) => Promise<unknown>;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;
  #under: AbortController | undefined;

  constructor(beat: (signal: AbortSignal) => Promise<unknown>, everyMs = EVERY_MS) {
    this.#beat = beat;
    this.#everyMs = everyMs;
  }

  /** Counts anew: something was sent, or is about to be. A beat under way is given up. */
  rest(): void {
    this.stop();
    this.#timer = setTimeout(() => void this.#pulse(), this.#everyMs);
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#under?.abort();
  }

  async #pulse(): Promise<void> {
    const under = new AbortController();
    this.#under = under;
    await this.#beat(under.signal);
    if (!under.signal.aborted) this.rest();
  }
}
