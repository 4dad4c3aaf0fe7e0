/** What one call may use, so that no text hangs the daemon or fills its memory. */

/** Most bytes of one YAML text. */
export const MAX_TEXT_BYTES = 4 * 1024 * 1024;

/** Deepest nesting, of mappings and sequences as of brackets within one interpolation. */
export const MAX_DEPTH = 100;

/** Most digits of a decimal integer: Python reads no more (sys.get_int_max_str_digits). */
export const MAX_DIGITS = 4300;

/** Longest chain of values that lead to each other. */
export const MAX_CHAIN = 200;

/** Most problems that are told of one text. */
export const MAX_PROBLEMS = 1000;

/** What is used up by the parts of a text. */
interface Amounts {
  readonly nodes: number;
  readonly tokens: number;
  /** Made while resolving, and written. */
  readonly characters: number;
}

const MOST: Amounts = { nodes: 100_000, tokens: 1_000_000, characters: 16 * 1024 * 1024 };
/** Used up within some ten milliseconds. */
const LITTLE: Amounts = { nodes: 4000, tokens: 20_000, characters: 256 * 1024 };

/** A text goes beyond what is read. The message ends the sentence "The config ...". */
export class LimitPassed extends Error {}

/** What a text passed, to end the sentence "The config ..."; throws the error again when it passed nothing. */
export function limitOf(error: unknown): string {
  if (error instanceof LimitPassed) return error.message;
  // Whatever recurses does so over the nesting of the text.
  if (error instanceof RangeError) return "is nested too deep";
  throw error;
}

/** Counts what a call uses up. */
export class Allowance {
  #nodes: number;
  #tokens: number;
  #characters: number;

  constructor({ nodes, tokens, characters }: Amounts = MOST) {
    this.#nodes = nodes;
    this.#tokens = tokens;
    this.#characters = characters;
  }

  /** For work that others wait for. */
  static little(): Allowance {
    return new Allowance(LITTLE);
  }

  /** Throws LimitPassed. */
  node(): void {
    if (--this.#nodes < 0) throw new LimitPassed(`has more than ${MOST.nodes} nodes, aliases followed`);
  }

  /** One token of an interpolation. Throws LimitPassed. */
  token(): void {
    if (--this.#tokens < 0)
      throw new LimitPassed(`has more than ${MOST.tokens} tokens in its interpolations`);
  }

  /** Characters made while resolving. Throws LimitPassed. */
  spend(characters: number): void {
    this.#characters -= characters;
    if (this.#characters < 0) throw new LimitPassed("is larger than 16 MiB when resolved");
  }
}
