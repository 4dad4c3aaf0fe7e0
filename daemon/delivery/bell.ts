import { type Clock, sleep } from "./clock.ts";

/** Wakes a loop that waits for work. A ring before the wait is not lost. */
export class Bell {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #rung = false;
  #wake: (() => void) | undefined;

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
  }

  get rung(): boolean {
    return this.#rung;
  }

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  reset(): void {
    this.#rung = false;
  }

  /** Waits for a ring since the last reset, at most `ms` when given; false when there was none. Rejects on abort. */
  async wait(ms?: number): Promise<boolean> {
    if (this.#rung) return true;
    return sleep(this.#clock, ms, this.#signal, (wake) => {
      this.#wake = wake;
      return () => {
        this.#wake = undefined;
      };
    });
  }
}
