import {
  AT,
  BACKSLASH,
  CARRIAGE_RETURN,
  type Cut,
  DOUBLE_QUOTE,
  HASH,
  isLineBreak,
  lineEnd,
  lineStart,
  NEWLINE,
  SINGLE_QUOTE,
  SPACE,
  standsAt,
  TAB,
  textStart,
} from "./cut.ts";

const DEFINITION = /(?:async[ \t]+def|def|class)(?!\w)/y;
const CLASS = /class(?!\w)/y;
/** What goes on with a statement of the same depth. */
const CONTINUES = /(?:else|elif|except|finally)(?!\w)/y;
/** What no line within brackets begins with: where one does, a bracket was left open. */
const NEVER_IN_BRACKETS =
  /(?:(?:async[ \t]+)?def|class|import|return|raise|while|try|assert|del|global|nonlocal|pass|break|continue)(?!\w)/y;
const FROM_IMPORT = /from[ \t]+[\w.]+[ \t]+import(?!\w)/y;

/**
 * Cuts Python before each definition, at any depth, and before each statement that stands no deeper than the one that it
 * would be read with. A line with a string that was never closed ends its statement: it is being typed.
 */
export function* pythonCuts(text: string, from: number): Generator<Cut> {
  const scan: Scan = {
    at: Math.max(textStart(text), lineStart(text, from)),
    depth: 0,
    goesOn: false,
    unclosed: false,
  };
  let open: Omit<Cut, "to"> | undefined;
  while (scan.at < text.length) {
    const lineFrom = scan.at;
    const indent = skipIndent(text, scan);
    if (beginsStatement(text, scan, indent, open?.indent)) {
      if (open !== undefined) yield { ...open, to: lineFrom };
      open = { from: scan.at, indent, opens: opens(text, scan.at) };
      scan.depth = 0;
    }
    skipLine(text, scan);
  }
  if (open !== undefined) yield { ...open, to: text.length };
}

interface Scan {
  at: number;
  /** Of brackets. */
  depth: number;
  /** The line before ended with a backslash. */
  goesOn: boolean;
  /** The line before has a string that was never closed. */
  unclosed: boolean;
}

/** Goes to the first character that is no space; tells its column. */
function skipIndent(text: string, scan: Scan): number {
  let indent = 0;
  for (; scan.at < text.length; scan.at += 1) {
    const code = text.charCodeAt(scan.at);
    if (code === SPACE) indent += 1;
    else if (code === TAB) indent += 8 - (indent % 8);
    else break;
  }
  return indent;
}

function beginsStatement(text: string, scan: Scan, indent: number, openIndent: number | undefined): boolean {
  const { at, depth, goesOn, unclosed } = scan;
  const code = text.charCodeAt(at);
  if (at >= text.length || isLineBreak(code) || code === HASH) return false;
  if (openIndent === undefined || unclosed) return true;
  if (goesOn) return false;
  if (depth > 0) return standsAt(NEVER_IN_BRACKETS, text, at) || standsAt(FROM_IMPORT, text, at);
  if (code === AT || standsAt(DEFINITION, text, at)) return true;
  if (indent === openIndent) return !standsAt(CONTINUES, text, at) && !isCloser(code);
  return indent < openIndent;
}

function isCloser(code: number): boolean {
  return code === 41 || code === 93 || code === 125;
}

function opens(text: string, at: number): Cut["opens"] {
  if (standsAt(CLASS, text, at)) return "class";
  return standsAt(DEFINITION, text, at) ? "function" : undefined;
}

/** Goes to the start of the next line that is not within a string. */
function skipLine(text: string, scan: Scan): void {
  scan.goesOn = false;
  scan.unclosed = false;
  while (scan.at < text.length) {
    const code = text.charCodeAt(scan.at);
    scan.at += 1;
    if (isLineBreak(code)) {
      if (code === CARRIAGE_RETURN && text.charCodeAt(scan.at) === NEWLINE) scan.at += 1;
      return;
    }
    if (code === 40 || code === 91 || code === 123) scan.depth += 1;
    else if (isCloser(code)) scan.depth = Math.max(0, scan.depth - 1);
    else if (code === HASH) scan.at = lineEnd(text, scan.at);
    else if (code === SINGLE_QUOTE || code === DOUBLE_QUOTE) openString(text, scan, code);
    else if (code === BACKSLASH) scan.goesOn = isLineBreak(text.charCodeAt(scan.at));
  }
}

/** Behind the first quote of a string: to its end. */
function openString(text: string, scan: Scan, quote: number): void {
  if (text.charCodeAt(scan.at) === quote && text.charCodeAt(scan.at + 1) === quote) {
    skipTriple(text, scan, quote);
    return;
  }
  for (; scan.at < text.length; scan.at += 1) {
    const code = text.charCodeAt(scan.at);
    if (code === quote) {
      scan.at += 1;
      return;
    }
    if (isLineBreak(code)) break;
    if (code === BACKSLASH) scan.at += text.startsWith("\\\r\n", scan.at) ? 2 : 1;
  }
  scan.at = Math.min(scan.at, text.length);
  scan.unclosed = true;
}

/** Behind the first of three quotes: to the end of the string, or of the text. */
function skipTriple(text: string, scan: Scan, quote: number): void {
  for (scan.at += 2; scan.at < text.length; scan.at += 1) {
    const code = text.charCodeAt(scan.at);
    if (code === BACKSLASH) scan.at += 1;
    else if (
      code === quote &&
      text.charCodeAt(scan.at + 1) === quote &&
      text.charCodeAt(scan.at + 2) === quote
    ) {
      scan.at += 3;
      return;
    }
  }
  scan.at = text.length;
}
