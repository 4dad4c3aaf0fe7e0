/** The progress of long work: one line that is rewritten on a terminal, and nothing elsewhere. */
import type { Terminal } from "./terminal.ts";

export class ProgressLine {
  readonly #terminal: Terminal;
  #shown = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Shows the text in place of the one before. */
  show(text: string): void {
    if (!this.#terminal.isTerminal) return;
    this.#terminal.err(`\r\x1b[K${text.slice(0, Math.max(10, this.#terminal.columns - 1))}`);
    this.#shown = true;
  }

  /** Takes the line away, before other output. */
  clear(): void {
    if (this.#shown) this.#terminal.err("\r\x1b[K");
    this.#shown = false;
  }
}
