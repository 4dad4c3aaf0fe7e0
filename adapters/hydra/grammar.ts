/**
 * Parses the text of a value that holds interpolations, such as `${a.b}`, `x${..up}` or `${oc.env:HOME,/tmp}`.
 * Source: omegaconf/grammar/OmegaConfGrammarParser.g4 and grammar_visitor.py of 2.3.
 */
import type { Call, Expression, Interpolation } from "./expressions.ts";
import { GrammarFault, type Mode, shown, type Token, type TokenKind, tokensOf } from "./lexer.ts";
import { type Allowance, MAX_DEPTH } from "./limits.ts";
import { KEY_PARTS, literal, TEXTS, unescaped } from "./literals.ts";
import type { Atom } from "./values.ts";

/** Parses the text of a value of a config. Throws GrammarFault, LimitPassed. */
export function parseValue(text: string, allowance: Allowance): Expression {
  const parser = new Parser(text, "top", allowance);
  const parts = parser.textParts();
  parser.take("end");
  const [only] = parts;
  return parts.length === 1 && only !== undefined && typeof only !== "string"
    ? only
    : { kind: "joined", parts };
}

/** Parses what could be an argument of a resolver, as `oc.decode` does. Throws GrammarFault, LimitPassed. */
export function parseElement(text: string, allowance: Allowance): Expression {
  const parser = new Parser(text, "value", allowance);
  const element = parser.element();
  parser.take("end");
  return element;
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(text: string, mode: Mode, allowance: Allowance) {
    this.#tokens = tokensOf(text, mode, allowance);
  }

  take(kind: TokenKind): string {
    const token = this.#next();
    if (token.kind !== kind) {
      if (token.kind !== "end") throw new GrammarFault(`${shown(token.text)} is not expected there`);
      throw new GrammarFault(this.#at === 0 ? "it is empty" : "it is not closed");
    }
    this.#at++;
    return token.text;
  }

  /** Literal text and interpolations until something else comes. */
  textParts(): (string | Interpolation)[] {
    const parts: (string | Interpolation)[] = [];
    for (;;) {
      const { kind, text } = this.#next();
      if (kind === "open") {
        parts.push(this.interpolation());
      } else if (TEXTS.includes(kind)) {
        this.#at++;
        parts.push(unescaped(kind, text, this.#next().kind));
      } else {
        if (parts.length === 0) throw new GrammarFault("it is empty");
        return parts;
      }
    }
  }

  interpolation(): Interpolation {
    return this.#nested(() => {
      this.take("open");
      const parts: (string | Interpolation)[] = [];
      while (this.#next().kind === "dot") parts.push(this.take("dot"));
      const relative = parts.length > 0;
      let plain = !relative;
      for (let first = true; ; first = false) {
        const { kind } = this.#next();
        if (kind === "colon" && plain && !first) return this.#call(parts);
        if (kind === "close" && !first) break;
        if (kind === "bracketOpen") {
          parts.push(this.take("bracketOpen"), this.#key(), this.take("bracketClose"));
          plain = false;
          continue;
        }
        if (!first) parts.push(this.take("dot"));
        if (kind === "key") plain = false;
        if (!first && this.#next().kind === "key") plain = false;
        parts.push(this.#key());
      }
      this.take("close");
      return { kind: "reference", parts };
    });
  }

  #call(parts: readonly (string | Interpolation)[]): Call {
    this.take("colon");
    const args = this.#next().kind === "braceClose" ? [] : this.#sequence("braceClose");
    this.take("braceClose");
    // Between the parts of a name stand dots.
    return { kind: "call", name: parts.filter((part) => part !== "."), args };
  }

  #key(): string | Interpolation {
    const { kind } = this.#next();
    if (kind === "open") return this.interpolation();
    return this.take(kind === "key" ? "key" : "id");
  }

  /** An element that is left out counts as an empty text. */
  #sequence(end: TokenKind): Expression[] {
    const items: Expression[] = [];
    for (;;) {
      const { kind } = this.#next();
      items.push(kind === "comma" || kind === end ? { kind: "value", value: "" } : this.element());
      if (this.#next().kind !== "comma") return items;
      this.take("comma");
    }
  }

  element(): Expression {
    return this.#nested(() => {
      switch (this.#next().kind) {
        case "quoteOpen":
          return this.#quoted();
        case "bracketOpen":
          return this.#list();
        case "braceOpen":
          return this.#dict();
        default:
          return this.#primitive([...KEY_PARTS, "colon", "open"]);
      }
    });
  }

  #quoted(): Expression {
    this.take("quoteOpen");
    const parts = this.#next().kind === "quoteClose" ? [] : this.textParts();
    this.take("quoteClose");
    return { kind: "joined", parts };
  }

  #list(): Expression {
    this.take("bracketOpen");
    const items = this.#next().kind === "bracketClose" ? [] : this.#sequence("bracketClose");
    this.take("bracketClose");
    return { kind: "list", items };
  }

  #dict(): Expression {
    this.take("braceOpen");
    const pairs: (readonly [Atom, Expression])[] = [];
    while (this.#next().kind !== "braceClose") {
      if (pairs.length > 0) this.take("comma");
      const key = this.#primitive(KEY_PARTS);
      if (key.kind !== "value") throw new GrammarFault("a key of a dict holds an interpolation");
      this.take("colon");
      pairs.push([key.value, this.element()]);
    }
    this.take("braceClose");
    return { kind: "dict", pairs };
  }

  /** One token keeps its type, several are a text. */
  #primitive(kinds: readonly TokenKind[]): Expression {
    const parts: (Token | Interpolation)[] = [];
    while (kinds.includes(this.#next().kind)) {
      const token = this.#next();
      if (token.kind === "open") parts.push(this.interpolation());
      else {
        this.#at++;
        parts.push(token);
      }
    }
    const [only] = parts;
    // Says what stands there instead.
    if (only === undefined) this.take("id");
    if (parts.length === 1 && only !== undefined) return "text" in only ? literal(only) : only;
    const texts = parts.map((part) => ("text" in part ? unescaped(part.kind, part.text, "end") : part));
    if (texts.every((part) => typeof part === "string")) return { kind: "value", value: texts.join("") };
    return { kind: "joined", parts: texts };
  }

  #next(): Token {
    return this.#tokens[this.#at] ?? { kind: "end", text: "" };
  }

  #nested<T>(parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw new GrammarFault(`it is nested deeper than ${MAX_DEPTH} levels`);
    const result = parse();
    this.#depth--;
    return result;
  }
}
