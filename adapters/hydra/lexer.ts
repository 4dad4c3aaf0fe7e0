/**
 * Tokens of OmegaConf's interpolations, in the five modes of its lexer. At each place the longest token wins, and of two
 * equally long ones the first named here.
 * Source: omegaconf/grammar/OmegaConfGrammarLexer.g4 of 2.3.
 */
import type { Allowance } from "./limits.ts";

export type TokenKind =
  | "text"
  | "escapedInterpolation"
  | "topEscape"
  | "quotedEscape"
  | "escape"
  | "open"
  | "close"
  | "braceOpen"
  | "braceClose"
  | "quoteOpen"
  | "quoteClose"
  | "comma"
  | "bracketOpen"
  | "bracketClose"
  | "colon"
  | "dot"
  | "key"
  | "float"
  | "integer"
  | "boolean"
  | "null"
  | "sign"
  | "id"
  | "space"
  | "end";

/** One token and its text. */
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
}

export type Mode = "top" | "value" | "interpolation" | "single" | "double";

/** An interpolation that is written wrongly. The message is a clause, such as "`}` is missing". */
export class GrammarFault extends Error {}

interface Rule {
  readonly kind: TokenKind;
  readonly pattern: RegExp;
  readonly push?: Mode;
  readonly pop?: boolean;
  /** Takes the place of the mode. */
  readonly become?: Mode;
}

const UNSIGNED = "(?:0|[1-9](?:_?[0-9])*)";
const FRACTION = "[0-9](?:_?[0-9])*";
const POINT = `(?:${UNSIGNED}?\\.${FRACTION}|${UNSIGNED}\\.)`;
const FLOAT = `[+-]?(?:(?:${POINT}|${UNSIGNED})[eE][+-]?${FRACTION}|${POINT}|[Ii][Nn][Ff]|[Nn][Aa][Nn])`;
const ID = /[A-Za-z_][A-Za-z0-9_-]*/y;

const VALUE: readonly Rule[] = [
  { kind: "open", pattern: /\$\{[ \t]*/y, push: "interpolation" },
  { kind: "braceOpen", pattern: /\{[ \t]*/y, push: "value" },
  { kind: "braceClose", pattern: /[ \t]*\}/y, pop: true },
  { kind: "quoteOpen", pattern: /'/y, push: "single" },
  { kind: "quoteOpen", pattern: /"/y, push: "double" },
  { kind: "comma", pattern: /[ \t]*,[ \t]*/y },
  { kind: "bracketOpen", pattern: /\[[ \t]*/y },
  { kind: "bracketClose", pattern: /[ \t]*\]/y },
  { kind: "colon", pattern: /[ \t]*:[ \t]*/y },
  { kind: "float", pattern: new RegExp(FLOAT, "y") },
  { kind: "integer", pattern: new RegExp(`[+-]?${UNSIGNED}`, "y") },
  { kind: "boolean", pattern: /true|false/iy },
  { kind: "null", pattern: /null/iy },
  { kind: "sign", pattern: /[/\-\\+.$%*@?|]/y },
  { kind: "id", pattern: ID },
  { kind: "escape", pattern: /(?:\\[\\()[\]{}:=, \t])+/y },
  { kind: "space", pattern: /[ \t]+/y },
];

const INTERPOLATION: readonly Rule[] = [
  { kind: "open", pattern: /\$\{[ \t]*/y, push: "interpolation" },
  { kind: "colon", pattern: /[ \t]*:[ \t]*/y, become: "value" },
  { kind: "close", pattern: /[ \t]*\}/y, pop: true },
  { kind: "dot", pattern: /\./y },
  { kind: "bracketOpen", pattern: /\[/y },
  { kind: "bracketClose", pattern: /\]/y },
  { kind: "id", pattern: ID },
  { kind: "key", pattern: /[^\\{}()[\]:. \t'"]+/y },
];

const TOP: readonly Rule[] = [
  { kind: "open", pattern: /\$\{[ \t]*/y, push: "interpolation" },
  { kind: "text", pattern: /[^$]*[^\\$]/y },
  { kind: "escapedInterpolation", pattern: /(?:\\\\)*\\\$\{/y },
  { kind: "topEscape", pattern: /(?:\\\\)+/y },
  { kind: "text", pattern: /\\+/y },
  { kind: "text", pattern: /\$/y },
];

const quotedRules = (quote: string): readonly Rule[] => [
  { kind: "open", pattern: /\$\{[ \t]*/y, push: "interpolation" },
  { kind: "quoteClose", pattern: new RegExp(quote, "y"), pop: true },
  { kind: "text", pattern: new RegExp(`[^${quote}$]*[^${quote}\\\\$]`, "y") },
  { kind: "escapedInterpolation", pattern: /(?:\\\\)*\\\$\{/y },
  { kind: "escape", pattern: new RegExp(`(?:\\\\\\\\)*\\\\${quote}`, "y") },
  { kind: "quotedEscape", pattern: /(?:\\\\)+/y },
  { kind: "text", pattern: /\\+/y },
  { kind: "text", pattern: /\$/y },
];

const RULES: { readonly [mode in Mode]: readonly Rule[] } = {
  top: TOP,
  value: VALUE,
  interpolation: INTERPOLATION,
  single: quotedRules("'"),
  double: quotedRules('"'),
};

/** The tokens of a text that begins in a mode, closed by `end`. Throws GrammarFault, LimitPassed. */
export function tokensOf(text: string, start: Mode, allowance: Allowance): Token[] {
  const tokens: Token[] = [];
  const modes: Mode[] = [start];
  for (let at = 0; at < text.length; ) {
    allowance.token();
    const mode = modes.at(-1) ?? start;
    const found = longest(RULES[mode], text, at);
    if (found === undefined) throw new GrammarFault(`${shown(text.slice(at))} is not expected there`);
    const { rule, end } = found;
    tokens.push({ kind: rule.kind, text: text.slice(at, end) });
    at = end;
    if (rule.push !== undefined) modes.push(rule.push);
    if (rule.become !== undefined) modes[modes.length - 1] = rule.become;
    if (rule.pop === true && modes.length === 1) throw new GrammarFault("`}` closes nothing");
    if (rule.pop === true) modes.pop();
  }
  tokens.push({ kind: "end", text: "" });
  return tokens;
}

function longest(
  rules: readonly Rule[],
  text: string,
  at: number,
): { readonly rule: Rule; readonly end: number } | undefined {
  let best: { rule: Rule; end: number } | undefined;
  for (const rule of rules) {
    rule.pattern.lastIndex = at;
    if (!rule.pattern.test(text)) continue;
    const end = rule.pattern.lastIndex;
    if (best === undefined || end > best.end) best = { rule, end };
  }
  return best;
}

/** The start of a text, for a sentence. */
export function shown(text: string): string {
  return `\`${text.length > 20 ? `${text.slice(0, 20)}...` : text}\``;
}
