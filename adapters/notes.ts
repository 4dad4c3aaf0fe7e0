/** What a person should be told of a run at a tool: one sentence each, and each once. */

/** Tells a person something, one sentence. */
export type Note = (sentence: string) => void;

export class Notes {
  readonly #told = new Set<string>();
  readonly #waiting: string[] = [];
  readonly #most: number;

  /** Beyond `most` sentences nothing more is told. */
  constructor(most = Number.POSITIVE_INFINITY) {
    this.#most = most;
  }

  /** Sentences told so far. */
  get told(): number {
    return this.#told.size;
  }

  /** Keeps a sentence, unless it was told before. */
  readonly add: Note = (sentence) => {
    if (this.#told.has(sentence) || this.#told.size >= this.#most) return;
    this.#told.add(sentence);
    this.#waiting.push(sentence);
  };

  /** Hands out what was not handed out before. */
  take(): readonly string[] {
    return this.#waiting.splice(0);
  }
}
