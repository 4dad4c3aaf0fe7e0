import {
  AT,
  BACKSLASH,
  CARRIAGE_RETURN,
  type Cut,
  DOUBLE_QUOTE,
  isLineBreak,
  isWord,
  lineEnd,
  NEWLINE,
  SINGLE_QUOTE,
  standsAt,
  textStart,
} from "./cut.ts";

const BACKTICK = 96;
const SLASH = 47;
const STAR = 42;
const LESS = 60;
const DOLLAR = 36;

/** What goes on with the statement before. */
const CONTINUES =
  /(?:else|catch|finally|instanceof|in|of|as|satisfies|extends|implements|from|while)(?![\w$])/y;
/** What begins a statement, and hardly anything within brackets: where a line begins with it, a bracket was left open. */
const BEGINS =
  /(?:export|import|const|let|var|function|async[ \t]+function|class|abstract[ \t]+class|interface)[ \t]+[\w${*"']/y;
/** Words behind which a slash begins a regular expression. */
const BEFORE_VALUE = /^(?:return|typeof|case|in|of|delete|void|throw|new|await|yield|else|do|instanceof)$/;
/** What a statement does not end with. */
const UNENDED = new Set([..."=+-*/%&|^<>?:,.!~([{"].map((char) => char.charCodeAt(0)));

/** Behind what a string is expected; elsewhere a quote may be text of JSX. */
const BEFORE_STRING = new Set([..."([,:=+?&|"].map((char) => char.charCodeAt(0)));

/**
 * Cuts TypeScript and JavaScript before each statement that begins in the first column. A line with a string that was never
 * closed ends its statement: it is being typed.
 */
export function* scriptCuts(text: string, begin: number): Generator<Cut> {
  const scan: Scan = {
    at: Math.max(textStart(text), begin),
    depth: 0,
    templates: [],
    last: 0,
    wordFrom: 0,
    unclosed: false,
  };
  let from: number | undefined;
  let atLineStart = true;
  while (scan.at < text.length) {
    const mayBegin = atLineStart || from === undefined || scan.unclosed;
    if (mayBegin && (from === undefined ? isPrinted(text, scan.at) : beginsStatement(text, scan))) {
      if (from !== undefined) yield { from, to: scan.at, indent: 0, opens: undefined };
      from = scan.at;
      scan.depth = 0;
      scan.last = 0;
      scan.unclosed = false;
    }
    atLineStart = step(text, scan);
  }
  if (from !== undefined) yield { from, to: text.length, indent: 0, opens: undefined };
}

interface Scan {
  at: number;
  /** Of brackets, in the text or in the innermost `${}`. */
  depth: number;
  /** The depths around the open `${}`. */
  readonly templates: number[];
  /** The last character that is no space and no comment. */
  last: number;
  /** Where the last word began. */
  wordFrom: number;
  /** The line before has a string that was never closed. */
  unclosed: boolean;
}

function isPrinted(text: string, at: number): boolean {
  return text.charCodeAt(at) > 32;
}

function beginsStatement(text: string, { at, depth, templates, last, unclosed }: Scan): boolean {
  const code = text.charCodeAt(at);
  if (templates.length > 0) return false;
  if (unclosed) return code > 32;
  if (depth > 0) return standsAt(BEGINS, text, at);
  if (!isWord(code) && code !== AT) return false;
  return !UNENDED.has(last) && !standsAt(CONTINUES, text, at);
}

/** Goes on by a token; tells whether a line begins behind it. */
function step(text: string, scan: Scan): boolean {
  const code = text.charCodeAt(scan.at);
  const from = scan.at;
  scan.at += 1;
  if (isLineBreak(code)) {
    if (code === CARRIAGE_RETURN && text.charCodeAt(scan.at) === NEWLINE) scan.at += 1;
    return true;
  }
  if (code <= 32) return false;
  if (isWord(code)) {
    scan.wordFrom = from;
    while (scan.at < text.length && isWord(text.charCodeAt(scan.at))) scan.at += 1;
  } else if (code === SINGLE_QUOTE || code === DOUBLE_QUOTE) {
    // Within the text of JSX it may be an apostrophe.
    if (code === DOUBLE_QUOTE || !isWord(text.charCodeAt(from - 1))) skipString(text, scan, code);
  } else if (code === BACKTICK) skipTemplate(text, scan);
  else if (code === SLASH) return skipSlash(text, scan, from);
  else if (code === 40 || code === 91 || code === 123) scan.depth += 1;
  else if (code === 125 && scan.depth === 0 && scan.templates.length > 0) {
    scan.depth = scan.templates.pop() ?? 0;
    skipTemplate(text, scan);
  } else if (code === 41 || code === 93 || code === 125) scan.depth = Math.max(0, scan.depth - 1);
  scan.last = text.charCodeAt(scan.at - 1);
  return false;
}

function skipString(text: string, scan: Scan, quote: number): void {
  for (; scan.at < text.length; scan.at += 1) {
    const code = text.charCodeAt(scan.at);
    if (isLineBreak(code)) {
      scan.unclosed ||= BEFORE_STRING.has(scan.last);
      return;
    }
    if (code === BACKSLASH) scan.at += text.startsWith("\\\r\n", scan.at) ? 2 : 1;
    else if (code === quote) {
      scan.at += 1;
      return;
    }
  }
  scan.at = text.length;
}

/** To the end of a template, or into its next `${}`. */
function skipTemplate(text: string, scan: Scan): void {
  for (; scan.at < text.length; scan.at += 1) {
    const code = text.charCodeAt(scan.at);
    if (code === BACKSLASH) scan.at += 1;
    else if (code === BACKTICK) {
      scan.at += 1;
      return;
    } else if (code === DOLLAR && text.charCodeAt(scan.at + 1) === 123) {
      scan.at += 2;
      scan.templates.push(scan.depth);
      scan.depth = 0;
      return;
    }
  }
  scan.at = text.length;
}

/** Behind a slash: a comment, a regular expression, or a sign. */
function skipSlash(text: string, scan: Scan, from: number): boolean {
  const next = text.charCodeAt(scan.at);
  if (next === SLASH) scan.at = lineEnd(text, scan.at);
  else if (next === STAR) {
    const end = text.indexOf("*/", scan.at + 1);
    scan.at = end < 0 ? text.length : end + 2;
  } else {
    if (beginsRegex(text, scan)) scan.at = regexEnd(text, scan.at) ?? scan.at;
    scan.last = scan.at > from + 1 ? DOUBLE_QUOTE : SLASH;
  }
  return false;
}

function beginsRegex(text: string, { last, wordFrom }: Scan): boolean {
  if (isWord(last)) {
    const word = text.slice(wordFrom, wordFrom + 12).match(/^[\w$]+/)?.[0] ?? "";
    return BEFORE_VALUE.test(word);
  }
  // Not behind a value, and not in a closing tag of JSX.
  return ![41, 93, 125, SINGLE_QUOTE, DOUBLE_QUOTE, BACKTICK, LESS].includes(last);
}

/** Behind the regular expression; undefined when the line ends before. */
function regexEnd(text: string, from: number): number | undefined {
  let inClass = false;
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (isLineBreak(code)) return undefined;
    if (code === BACKSLASH) at += 1;
    else if (code === 91) inClass = true;
    else if (code === 93) inClass = false;
    else if (code === SLASH && !inClass) return at + 1;
  }
  return undefined;
}
