/**
 * Keeps files from being swept before the record that names them is journaled.
 *
 * A digest is held before anybody looks whether its file is there, and a removal that is under way is waited for: so
 * what was found there stays. While a sweep is under way a released digest stays protected too, since the sweep may
 * have asked for the names in use before the record came.
 */
export class Holds {
  readonly #counts = new Map<string, number>();
  readonly #removals = new Map<string, Promise<void>>();
  #sweep: Set<string> | undefined;

  hold(): Hold {
    return new Hold(this);
  }

  /** Runs `sweep`, one at a time; `remove` of it removes a file unless its digest is protected. */
  async sweeping<T>(sweep: () => Promise<T>): Promise<T> {
    if (this.#sweep !== undefined) throw new Error("A sweep is under way.");
    this.#sweep = new Set(this.#counts.keys());
    try {
      return await sweep();
    } finally {
      this.#sweep = undefined;
    }
  }

  /** Removes by `remove` unless the digest is protected; tells whether it did. Only within a sweep. */
  async removeUnlessHeld(sha256: string, remove: () => Promise<void>): Promise<boolean> {
    if (this.#sweep === undefined || this.#sweep.has(sha256)) return false;
    const removal = remove().finally(() => this.#removals.delete(sha256));
    this.#removals.set(sha256, removal);
    await removal;
    return true;
  }

  /** Resolves when the digest is held and no removal of its file is under way. */
  async enter(sha256: string): Promise<void> {
    this.#counts.set(sha256, (this.#counts.get(sha256) ?? 0) + 1);
    this.#sweep?.add(sha256);
    await this.#removals.get(sha256)?.catch(() => undefined);
  }

  leave(sha256: string): void {
    const left = (this.#counts.get(sha256) ?? 0) - 1;
    if (left > 0) this.#counts.set(sha256, left);
    else this.#counts.delete(sha256);
  }
}

/** The digests that one call has taken in; released when its record is journaled, or will not be. */
export class Hold {
  readonly #holds: Holds;
  readonly #digests = new Set<string>();

  constructor(holds: Holds) {
    this.#holds = holds;
  }

  async add(sha256: string): Promise<void> {
    if (this.#digests.has(sha256)) return;
    this.#digests.add(sha256);
    await this.#holds.enter(sha256);
  }

  release(): void {
    for (const sha256 of this.#digests) this.#holds.leave(sha256);
    this.#digests.clear();
  }
}
