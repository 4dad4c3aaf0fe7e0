/** Walks through a folder, page by page, that go on where they stopped. */

/** A walk that nobody goes on with is given up after this. */
const PATIENCE_MS = 5000;

/**
 * A folder is read and sorted whole to tell what comes first. For each page anew, that would take a time that grows with
 * the square of its size. So the walk is kept for whoever asks next for what follows its last key. It goes on with what a
 * folder held when the walk came to it, as a listing by pages may.
 */
export class Walks {
  readonly #waiting = new Map<
    string,
    { readonly walk: AsyncGenerator<string>; readonly giveUp: NodeJS.Timeout }
  >();

  /** At most `limit` keys after `after`. `name` tells walks with other results apart; `begin` begins one. */
  async page(
    name: string,
    after: string,
    limit: number,
    begin: () => AsyncGenerator<string>,
    signal: AbortSignal,
  ): Promise<string[]> {
    const walk = (after === "" ? undefined : this.#take(`${name}\n${after}`)) ?? begin();
    const keys: string[] = [];
    while (keys.length < limit) {
      signal.throwIfAborted();
      const next = await walk.next();
      if (next.done) return keys;
      keys.push(next.value);
    }
    this.#keep(`${name}\n${keys.at(-1)}`, walk);
    return keys;
  }

  #take(place: string): AsyncGenerator<string> | undefined {
    const found = this.#waiting.get(place);
    clearTimeout(found?.giveUp);
    this.#waiting.delete(place);
    return found?.walk;
  }

  /** The latest walk to a place has seen the latest. */
  #keep(place: string, walk: AsyncGenerator<string>): void {
    this.#take(place);
    const giveUp = setTimeout(() => this.#waiting.delete(place), PATIENCE_MS).unref();
    this.#waiting.set(place, { walk, giveUp });
  }
}
