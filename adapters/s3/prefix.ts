/** How much of a file is there without a gap from its beginning, while pieces of it come in any order. */
export class Prefix {
  /** Pieces behind a gap: position to length. */
  readonly #pieces = new Map<number, number>();
  #length = 0;

  /** Takes a piece in, and returns the length of the prefix. No piece may come twice. */
  add(position: number, length: number): number {
    this.#pieces.set(position, length);
    for (;;) {
      const next = this.#pieces.get(this.#length);
      if (next === undefined) return this.#length;
      this.#pieces.delete(this.#length);
      this.#length += next;
    }
  }
}
