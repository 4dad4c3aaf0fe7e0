/**
 * Strict JSON: what other parsers wave through or lose silently (NaN, duplicate keys, integers beyond 2^53 - 1,
 * lone surrogates, endless nesting) is refused, and a number keeps the text it was written with.
 */
import { PipekitError } from "@pipekit/proto";

/** A JSON value. Objects are maps, so that no key is special and order is kept. */
export type JsonValue = null | boolean | string | JsonNumber | readonly JsonValue[] | JsonObject;
export type JsonObject = ReadonlyMap<string, JsonValue>;

/** A number with its source text: `1.0` and `1` are equal by value and differ in source. */
export class JsonNumber {
  readonly source: string;
  readonly value: number;
  constructor(source: string, value: number) {
    this.source = source;
    this.value = value;
  }
}

/** Deepest nesting of arrays and objects in a client's document. */
const MAX_DEPTH = 100;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const NON_FINITE = /[+-]?(?:NaN|nan|Infinity|inf)/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const PLAIN_KEY = /^[A-Za-z_$][\w$-]*$/;

/**
 * Parses JSON text. `root` is put before paths, such as `training_config`; `maxDepth` is the deepest nesting allowed.
 * Throws PipekitError INVALID_CONFIG whose `field` is the path of the fault: `config.layers[2].dropout`.
 */
export function parseJson(text: string, root = "", maxDepth = MAX_DEPTH): JsonValue {
  return new Parser(text, root, maxDepth).document();
}

class Parser {
  readonly #text: string;
  readonly #root: string;
  readonly #maxDepth: number;
  readonly #path: (string | number)[] = [];
  #at = 0;

  constructor(text: string, root: string, maxDepth: number) {
    this.#text = text;
    this.#root = root;
    this.#maxDepth = maxDepth;
  }

  document(): JsonValue {
    const value = this.#value();
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#syntax("the end of the document");
    return value;
  }

  #value(): JsonValue {
    this.#skipSpace();
    switch (this.#text[this.#at]) {
      case "{":
        return this.#nested(() => this.#object());
      case "[":
        return this.#nested(() => this.#array());
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #nested<T>(parse: () => T): T {
    if (this.#path.length >= this.#maxDepth) {
      throw this.#fault(`is nested deeper than ${this.#maxDepth} levels`, "Flatten the document.");
    }
    return parse();
  }

  #object(): JsonObject {
    const members = new Map<string, JsonValue>();
    this.#at++;
    if (this.#take("}")) return members;
    do {
      this.#skipSpace();
      if (this.#text[this.#at] !== '"') throw this.#syntax("a key in double quotes");
      const key = this.#string();
      this.#path.push(key);
      if (members.has(key)) throw this.#fault("stands twice in its object", "Keep one of the two.");
      if (!this.#take(":")) throw this.#syntax("`:`");
      members.set(key, this.#value());
      this.#path.pop();
    } while (this.#take(","));
    if (!this.#take("}")) throw this.#syntax("`,` or `}`");
    return members;
  }

  #array(): JsonValue[] {
    const items: JsonValue[] = [];
    this.#at++;
    if (this.#take("]")) return items;
    do {
      this.#path.push(items.length);
      items.push(this.#value());
      this.#path.pop();
    } while (this.#take(","));
    if (!this.#take("]")) throw this.#syntax("`,` or `]`");
    return items;
  }

  #string(): string {
    const text = this.#text;
    const start = this.#at;
    let end = start + 1;
    let escaped = false;
    for (;;) {
      const code = text.charCodeAt(end);
      if (code === 0x22) break;
      if (code === 0x5c) {
        ESCAPE.lastIndex = end;
        if (!ESCAPE.test(text)) {
          this.#at = end;
          throw this.#syntax("a JSON escape");
        }
        end = ESCAPE.lastIndex;
        escaped = true;
      } else if (code >= 0x20) {
        end++;
      } else {
        // NaN, past the end, also comes here.
        this.#at = end;
        throw this.#syntax("the end of a string");
      }
    }
    this.#at = end + 1;
    const value = escaped ? String(JSON.parse(text.slice(start, end + 1))) : text.slice(start + 1, end);
    if (!value.isWellFormed()) {
      throw this.#fault("holds a lone surrogate, which is no Unicode text", "Mend the text's encoding.");
    }
    return value;
  }

  #number(): JsonNumber {
    NON_FINITE.lastIndex = this.#at;
    const odd = NON_FINITE.exec(this.#text);
    if (odd !== null) {
      throw this.#fault(`is ${odd[0]}, which JSON cannot hold`, 'Use null or a text such as "nan" instead.');
    }
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) throw this.#syntax("a value");
    const source = match[0];
    const value = Number(source);
    if (!Number.isFinite(value)) throw this.#fault("is too large for a double", "Use a smaller number.");
    if (!Number.isSafeInteger(value) && /^-?[0-9]+$/.test(source)) {
      throw this.#fault("is an integer beyond 2^53 - 1", "Write it as a text or as a float.");
    }
    this.#at = NUMBER.lastIndex;
    return new JsonNumber(source, value);
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) {
      // `nan` begins like null.
      this.#number();
      throw this.#syntax("a value");
    }
    this.#at += word.length;
    return value;
  }

  #take(token: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== token) return false;
    this.#at++;
    return true;
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #syntax(wanted: string): PipekitError {
    return this.#fault(
      `is not JSON: character ${this.#at + 1} should be ${wanted}`,
      "Send JSON as of RFC 8259.",
    );
  }

  #fault(what: string, mend: string): PipekitError {
    const path = this.#pathText();
    const name = path === "" ? "The document" : `\`${path}\``;
    return new PipekitError("INVALID_CONFIG", `${name} ${what}.`, { field: path, mend });
  }

  #pathText(): string {
    let text = this.#root;
    for (const part of this.#path) {
      if (typeof part === "number") text += `[${part}]`;
      else if (!PLAIN_KEY.test(part)) text += `[${JSON.stringify(part)}]`;
      else text += text === "" ? part : `.${part}`;
      if (text.length > 300) return `${text.slice(0, 300)}...`;
    }
    return text;
  }
}
