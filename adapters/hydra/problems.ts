import type { ConfigProblem } from "../config.ts";
import { MAX_PROBLEMS } from "./limits.ts";
import type { Span } from "./nodes.ts";
import type { Positions } from "./positions.ts";

/** A problem whose place is still an offset. */
export interface Finding {
  readonly code: string;
  readonly path: string;
  readonly message: string;
  readonly mend: string;
  readonly span: Span;
  readonly isError: boolean;
}

/** Collects what is wrong with one text. */
export class Findings {
  readonly #found = new Map<string, Finding>();

  /** A second finding of one kind at one place is dropped. */
  add(finding: Finding): void {
    const identity = `${finding.code} ${finding.span.start} ${finding.path}`;
    if (!this.#found.has(identity) && this.#found.size < MAX_PROBLEMS) this.#found.set(identity, finding);
  }

  get hasErrors(): boolean {
    return [...this.#found.values()].some(({ isError }) => isError);
  }

  /** In the order of the text. */
  problems(positions: Positions): ConfigProblem[] {
    return [...this.#found.values()]
      .sort((a, b) => a.span.start - b.span.start)
      .map(({ span, ...finding }) => ({ ...finding, range: positions.range(span) }));
  }
}

/** A path at the start of a sentence. */
export function quoted(path: string): string {
  return path === "" ? "The config" : `\`${path}\``;
}
