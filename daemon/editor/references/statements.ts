import type { Cut } from "./cut.ts";
import type { TextEdit } from "./reference.ts";

/** A statement that was read. */
export interface Read<F> {
  /** It moves when something before it is edited. */
  readonly cut: { -readonly [Key in keyof Cut]: Cut[Key] };
  readonly facts: F;
}

/** What was read of a text, while it is edited: the statements before the first edit and behind the last one stay. */
export class Statements<F> {
  #read: readonly Read<F>[] = [];
  /** How many at the start no edit has touched. */
  #head = 0;
  /** How many at the end, and by how much they have moved. */
  #tail = 0;
  #moved = 0;

  /** All that there is, read anew. */
  replace(read: readonly Read<F>[]): void {
    this.#read = read;
    this.#head = read.length;
    this.#tail = read.length;
    this.#moved = 0;
  }

  /** The statements at the start have been read so far; those behind the edits are still to be met. */
  advance(read: readonly Read<F>[]): void {
    if (read.length <= this.#head) return;
    const tail = this.#tailFrom(this.#read.length - this.#tail);
    const last = read.at(-1)?.cut.to ?? 0;
    const behind = tail.filter(({ cut }) => cut.from >= last);
    this.#read = [...read, ...behind];
    this.#head = read.length;
    this.#tail = behind.length;
    this.#moved = 0;
  }

  edit({ from, to, insert }: TextEdit): void {
    this.#head = Math.min(
      this.#head,
      this.#count(({ cut }) => cut.to < from),
    );
    const behind = this.#read.length - this.#count(({ cut }) => cut.from + this.#moved <= to);
    this.#tail = Math.min(this.#tail, behind);
    this.#moved += insert.length - (to - from);
  }

  /** Those at the start that stand as they did. The last one may go on in what was edited behind it. */
  get head(): readonly Read<F>[] {
    return this.#read.slice(0, this.#head);
  }

  /**
   * Those behind the edits, if one of them begins here like this; all statements from there on are known. They are moved to
   * where they stand now: what was read is to be replaced by a reading that ends with them.
   */
  tailAt(cut: Cut): readonly Read<F>[] {
    const first = this.#count((read) => read.cut.from + this.#moved < cut.from);
    const found = this.#read[first]?.cut;
    if (first < this.#read.length - this.#tail || found === undefined) return [];
    const isSame =
      found.from + this.#moved === cut.from && found.indent === cut.indent && found.opens === cut.opens;
    return isSame ? this.#tailFrom(first) : [];
  }

  /** Moves them themselves: a long file has thousands, and copies of them at each keystroke are work for the collector. */
  #tailFrom(first: number): Read<F>[] {
    const tail = this.#read.slice(first);
    if (this.#moved === 0) return tail;
    for (const { cut } of tail) {
      cut.from += this.#moved;
      cut.to += this.#moved;
    }
    return tail;
  }

  /** How many statements the test holds for; it holds for none behind one that it does not hold for. */
  #count(test: (read: Read<F>) => boolean): number {
    let low = 0;
    let high = this.#read.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const read = this.#read[middle];
      if (read !== undefined && test(read)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
