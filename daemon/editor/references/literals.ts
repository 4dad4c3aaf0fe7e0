/** Strings as Python, JavaScript and YAML write them. */
import type { TextValue } from "./facts.ts";

const SIMPLE: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  b: "\b",
  f: "\f",
  v: "\v",
};
const PYTHON_ESCAPE =
  /\\(?:\r\n|[\s\S]|$)(?:(?<=\\x)[0-9a-fA-F]{2}|(?<=\\u)[0-9a-fA-F]{4}|(?<=\\U)[0-9a-fA-F]{8}|(?<=\\[0-7])[0-7]{1,2})?/g;
const SCRIPT_ESCAPE =
  /\\(?:\r\n|[\s\S]|$)(?:(?<=\\x)[0-9a-fA-F]{2}|(?<=\\u)[0-9a-fA-F]{4}|(?<=\\u)\{[0-9a-fA-F]{1,6}\})?/g;
const YAML_ESCAPE =
  /\\(?:\r\n|[\s\S]|$)(?:(?<=\\x)[0-9a-fA-F]{2}|(?<=\\u)[0-9a-fA-F]{4}|(?<=\\U)[0-9a-fA-F]{8})?/g;

/** A string of Python in [from, to); undefined for bytes. */
export function pythonString(text: string, from: number, to: number): TextValue | undefined {
  let open = from;
  while (open < to && /[A-Za-z]/.test(text.charAt(open))) open += 1;
  const prefix = text.slice(from, open).toLowerCase();
  if (prefix.includes("b")) return undefined;
  const quote = text.charAt(open);
  const found = between(text, open, to, text.startsWith(quote.repeat(3), open) ? quote.repeat(3) : quote);
  return prefix.includes("r")
    ? found
    : { ...found, text: unescaped(found.text, PYTHON_ESCAPE, pythonEscape) };
}

/** A string or template of JavaScript in [from, to). */
export function scriptString(text: string, from: number, to: number): TextValue {
  const found = between(text, from, to, text.charAt(from));
  return { ...found, text: unescaped(found.text, SCRIPT_ESCAPE, scriptEscape) };
}

/** A scalar of YAML in quotes, in [from, to). */
export function yamlString(text: string, from: number, to: number): TextValue {
  const quote = text.charAt(from);
  const found = between(text, from, to, quote);
  if (quote === "'") return { ...found, text: found.text.replaceAll("''", "'") };
  return { ...found, text: unescaped(found.text, YAML_ESCAPE, pythonEscape) };
}

/** What stands between quotes; of a string on one line that was never closed, what stands on its line. */
function between(text: string, from: number, to: number, quote: string): TextValue {
  const start = Math.min(from + quote.length, to);
  const closed = to - quote.length >= start && text.startsWith(quote, to - quote.length);
  let end = closed ? to - quote.length : to;
  if (!closed && quote.length === 1) {
    const lineBreak = text.slice(start, to).search(/[\r\n]/);
    if (lineBreak >= 0) end = start + lineBreak;
  }
  return { kind: "text", text: text.slice(start, end), span: { from: start, to: end }, closed };
}

function unescaped(text: string, escapes: RegExp, meaning: (written: string) => string): string {
  return text.includes("\\") ? text.replace(escapes, meaning) : text;
}

function pythonEscape(written: string): string {
  const char = written.charAt(1);
  if (char === "\n" || char === "\r") return "";
  if (char === "\\" || char === "'" || char === '"') return char;
  if (char === "a") return "\x07";
  if (written.length > 2 && /[xuU]/.test(char)) return fromCode(written.slice(2), 16, written);
  if (/[0-7]/.test(char)) return fromCode(written.slice(1), 8, written);
  // Python keeps the backslash of what is no escape.
  return SIMPLE[char] ?? written;
}

function scriptEscape(written: string): string {
  const char = written.charAt(1);
  if (/[\n\r\u2028\u2029]/.test(char)) return "";
  if (written.length > 2) return fromCode(written.replace(/^..\{?|\}$/g, ""), 16, written);
  if (char === "0") return "\0";
  return SIMPLE[char] ?? char;
}

function fromCode(digits: string, radix: number, written: string): string {
  const code = Number.parseInt(digits, radix);
  return code <= 0x10ffff ? String.fromCodePoint(code) : written;
}
