/** What a person is told of an import: a bounded number of sentences, however many runs there are. */
import type { RunHistory } from "@pipekit/adapters/history";

const MOST = 100;

export class ImportNotes {
  readonly #history: Pick<RunHistory, "takeNotes">;
  readonly #told = new Set<string>();
  #waiting: string[] = [];
  #dropped = 0;

  constructor(history: Pick<RunHistory, "takeNotes">) {
    this.#history = history;
  }

  add(sentence: string): void {
    if (this.#told.has(sentence)) return;
    if (this.#told.size >= MOST) {
      this.#dropped++;
      return;
    }
    this.#told.add(sentence);
    this.#waiting.push(sentence);
  }

  /** What was not told yet; at the end also how much is not told at all. */
  take(isLast: boolean): string[] {
    // What the source says comes first, however quick the import is: a listing tells it before the runs are taken.
    const own = this.#waiting;
    this.#waiting = [];
    for (const sentence of this.#history.takeNotes()) this.add(sentence);
    const sentences = [...this.#waiting, ...own];
    this.#waiting = [];
    if (isLast && this.#dropped > 0) sentences.push(`${this.#dropped} more notes are not told.`);
    return sentences;
  }
}
