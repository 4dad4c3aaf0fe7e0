import type { Stop } from "./view.ts";

/** Who is told of something. One that throws does not keep the others from being told. */
export class Listeners<T> {
  readonly #all = new Set<(told: T) => void>();

  get size(): number {
    return this.#all.size;
  }

  add(listener: (told: T) => void): Stop {
    // A function may be added twice, and is then told twice.
    const own = guarded(listener);
    this.#all.add(own);
    return () => this.#all.delete(own);
  }

  tell(told: T): void {
    for (const listener of [...this.#all]) listener(told);
  }

  clear(): void {
    this.#all.clear();
  }
}

/**
 * What a face is called with, from timers and streams: a defect of the face is shown on standard error, and ends neither the
 * process nor what is kept up to date.
 */
export function guarded<A extends readonly unknown[]>(called: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      called(...args);
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error));
    }
  };
}
