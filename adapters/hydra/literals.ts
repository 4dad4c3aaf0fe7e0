/** What single tokens of an interpolation stand for. */
import type { Expression } from "./expressions.ts";
import { GrammarFault, type Token, type TokenKind } from "./lexer.ts";
import { MAX_DIGITS } from "./limits.ts";

/** Tokens of text between interpolations. */
export const TEXTS: readonly TokenKind[] = [
  "text",
  "escape",
  "escapedInterpolation",
  "topEscape",
  "quotedEscape",
];
/** Tokens of a key or argument without quotes. */
export const KEY_PARTS: readonly TokenKind[] = [
  "id",
  "null",
  "integer",
  "float",
  "boolean",
  "sign",
  "escape",
  "space",
];

/** Takes backslashes away where they escape something: `next` is the kind of the token that follows. */
export function unescaped(kind: TokenKind, text: string, next: TokenKind): string {
  const halved = (): string => text.replace(/\\(.)/gsu, "$1");
  if (kind === "escapedInterpolation") return text.slice(-(Math.floor(text.length / 2) + 1));
  if (kind === "escape") return halved();
  if (kind === "topEscape" && next === "open") return halved();
  if (kind === "quotedEscape" && (next === "open" || next === "quoteClose")) return halved();
  return text;
}

/** The value of a token that stands alone. Throws GrammarFault. */
export function literal({ kind, text }: Token): Expression {
  switch (kind) {
    case "null":
      return { kind: "value", value: null };
    case "boolean":
      return { kind: "value", value: text.toLowerCase() === "true" };
    case "integer":
      if (text.length > MAX_DIGITS) throw new GrammarFault("an integer has too many digits");
      return { kind: "value", value: integerOf(text) };
    case "float":
      return { kind: "value", value: floatOf(text) };
    case "space":
      throw new GrammarFault("it is empty");
    default:
      return { kind: "value", value: unescaped(kind, text, "end") };
  }
}

function integerOf(text: string): bigint {
  const digits = text.replaceAll("_", "");
  return digits.startsWith("-") ? -BigInt(digits.slice(1)) : BigInt(digits.replace(/^\+/, ""));
}

function floatOf(text: string): number {
  const [, sign = "", digits = ""] = /^([+-]?)(.*)$/.exec(text.replaceAll("_", "").toLowerCase()) ?? [];
  const factor = sign === "-" ? -1 : 1;
  if (digits === "nan") return Number.NaN;
  return factor * (digits === "inf" ? Number.POSITIVE_INFINITY : Number(digits));
}
