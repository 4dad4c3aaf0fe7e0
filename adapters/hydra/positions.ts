import type { ConfigPosition, ConfigRange } from "../config.ts";
import type { Span } from "./nodes.ts";

/** Turns offsets of a text into lines and characters, both in UTF-16 code units. */
export class Positions {
  /** Offset at which each line starts. Lines end as LSP says: at \n, \r\n or \r. */
  readonly #starts: readonly number[];

  constructor(text: string) {
    const starts = [0];
    for (const match of text.matchAll(/\r\n|\n|\r/g)) starts.push(match.index + match[0].length);
    this.#starts = starts;
  }

  range({ start, end }: Span): ConfigRange {
    return { start: this.position(start), end: this.position(end) };
  }

  position(offset: number): ConfigPosition {
    let [low, high] = [0, this.#starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low, character: offset - (this.#starts[low] ?? 0) };
  }
}
