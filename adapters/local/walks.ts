/** Walks through a folder, page by page, that go on where they stopped. */

/** A walk that nobody goes on with is given up after this. */
const PATIENCE_MS = 5000;

interface Walk {
  readonly keys: AsyncGenerator<string>;
  /** Grows from walk to walk, in the order in which they began. */
  readonly number: number;
}

/**
 * A folder is read and sorted whole to tell what comes first. For each page anew, that would take a time that grows with
 * the square of its size. So the walk is kept for whoever asks next for what follows its last key. It goes on with what a
 * folder held when the walk came to it, as a listing by pages may.
 */
export class Walks {
  readonly #waiting = new Map<string, Walk & { readonly giveUp: NodeJS.Timeout }>();
  #begun = 0;

  /** At most `limit` keys after `after`. `name` tells walks with other results apart; `begin` begins one. */
  async page(
    name: string,
    after: string,
    limit: number,
    begin: () => AsyncGenerator<string>,
    signal: AbortSignal,
  ): Promise<string[]> {
    const going = after === "" ? undefined : this.#take(`${name}\n${after}`);
    const walk = going ?? { keys: begin(), number: ++this.#begun };
    const keys: string[] = [];
    while (keys.length < limit) {
      signal.throwIfAborted();
      const next = await walk.keys.next();
      if (next.done) return keys;
      keys.push(next.value);
    }
    this.#keep(`${name}\n${keys.at(-1)}`, walk);
    return keys;
  }

  #take(place: string): Walk | undefined {
    const found = this.#waiting.get(place);
    clearTimeout(found?.giveUp);
    this.#waiting.delete(place);
    return found;
  }

  /** Of the walks that have come to a place, the one that began last has seen the latest. */
  #keep(place: string, walk: Walk): void {
    const waiting = this.#waiting.get(place);
    if (waiting !== undefined && waiting.number > walk.number) return;
    this.#take(place);
    const giveUp = setTimeout(() => this.#waiting.delete(place), PATIENCE_MS).unref();
    this.#waiting.set(place, { ...walk, giveUp });
  }
}
