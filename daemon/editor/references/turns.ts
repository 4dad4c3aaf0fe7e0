import { setImmediate } from "node:timers/promises";

/** How long others wait at most, milliseconds, while a file is read; a single step may take longer. */
const LONGEST_MS = 5;

/** Long work in slices, between which others get their turn. */
export class Turns {
  #since = performance.now();

  get due(): boolean {
    return performance.now() - this.#since >= LONGEST_MS;
  }

  async pass(): Promise<void> {
    await setImmediate();
    this.#since = performance.now();
  }
}
