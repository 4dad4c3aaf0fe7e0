/**
 * Text of YAML as `ruamel.yaml` writes it for DVC: a string plain where it can be, else in single quotes, or in double ones
 * when it holds a quote or a control character; folded beyond column 80 (ruamel/yaml/resolver.py and emitter.py).
 */

const WIDTH = 80;

/** What is read as something else than a string. */
const OTHER_TYPES = [
  /^(?:true|True|TRUE|false|False|FALSE|~|null|Null|NULL|<<|=)$/,
  /^(?:[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?[0-9][0-9_]*|[-+][0-9_]+|[-+]?0x[0-9a-fA-F_]+)$/,
  /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+)$/,
  /^(?:[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/,
  /^\d{4}-\d\d(?:-\d\d|-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$/,
  /^\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?$/,
];

/** `key: text` of a mapping whose lines are indented so; a further line of the text is indented by two more. */
export function keyWithText(key: string, text: string, indent: number): string {
  const before = `${" ".repeat(indent)}${key}:`;
  const inner = indent + 2;
  if (needsEscapes(text) || (!isPlain(text) && text.includes("'"))) return `${before} ${doubleQuoted(text)}`;
  if (isPlain(text)) return before + plainFolded(text, before.length, inner);
  return `${before} '${singleFolded(text, before.length + 2, inner)}'`;
}

function isPlain(text: string): boolean {
  if (text === "" || OTHER_TYPES.some((pattern) => pattern.test(text))) return false;
  if (/^[#,[\]{}&*!|>'"%@`]/.test(text) || text.startsWith("---") || text.startsWith("...")) return false;
  if (/^[?:-](?: |$)/.test(text)) return false;
  return !/:(?: |$)| #|^ | $/.test(text);
}

/** Whether it holds what is no plain character: control characters, line ends, halves of surrogate pairs. */
function needsEscapes(text: string): boolean {
  for (const char of text) if (!isPrintable(char)) return true;
  return false;
}

function isPrintable(char: string): boolean {
  const code = char.codePointAt(0) ?? 0;
  if (code === 0x2028 || code === 0x2029 || code === 0xfeff) return false;
  return (
    (code >= 0x20 && code <= 0x7e) ||
    (code >= 0xa0 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    code >= 0x10000
  );
}

/** A word that does not fit begins a line; a single space at the end of a full line becomes the line's end. */
function plainFolded(text: string, column: number, indent: number): string {
  let written = " ";
  let at = column + 1;
  const breakLine = (): void => {
    written += `\n${" ".repeat(indent)}`;
    at = indent;
  };
  for (const part of text.split(/( +)/)) {
    const length = [...part].length;
    if (part.startsWith(" ")) {
      if (length === 1 && at >= WIDTH) {
        breakLine();
        continue;
      }
    } else if (length + at > WIDTH && at > indent) breakLine();
    written += part;
    at += length;
  }
  return written;
}

/** In quotes a line is broken at a single space that stands beyond the width. */
function singleFolded(text: string, column: number, indent: number): string {
  let written = "";
  let at = column;
  const parts = text.split(/( +)/);
  for (const [index, part] of parts.entries()) {
    const isAtEdge = (index === 1 && parts[0] === "") || (index === parts.length - 2 && parts.at(-1) === "");
    if (part === " " && at > WIDTH && !isAtEdge) {
      written += `\n${" ".repeat(indent)}`;
      at = indent;
    } else {
      written += part;
      at += [...part].length;
    }
  }
  return written;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\0": "\\0",
  "\u0007": "\\a",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  "\u001b": "\\e",
  '"': '\\"',
  "\\": "\\\\",
  "\u0085": "\\N",
  "\u2028": "\\L",
  "\u2029": "\\P",
};

/** Never folded: ruamel folds here too, but by escapes that serve nobody's reading. */
function doubleQuoted(text: string): string {
  let written = "";
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (ESCAPES[char] !== undefined) written += ESCAPES[char];
    else if (isPrintable(char)) written += char;
    else if (code <= 0xff) written += `\\x${hex(code, 2)}`;
    else written += `\\u${hex(code, 4)}`;
  }
  return `"${written}"`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).toUpperCase().padStart(digits, "0");
}
