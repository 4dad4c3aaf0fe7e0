/**
 * A file is cut into statements that are read one by one: what one of them holds depends on its own text only. So a
 * keystroke costs one statement, and broken code spoils one statement. Where a cut is made depends on the text only.
 */
export interface Cut {
  /** Its first character that is no space. */
  readonly from: number;
  readonly to: number;
  /** Columns before it; statements that stand deeper belong to the one before. */
  readonly indent: number;
  /** What names are defined in, for statements that stand deeper. */
  readonly opens: "function" | "class" | undefined;
}

/**
 * Cuts what stands behind `from`, where the text or one of its statements begins. Where a statement begins and how deep it
 * stands is all that those behind it depend on.
 */
export type Cutter = (text: string, from: number) => Generator<Cut>;

export const NEWLINE = 10;
export const CARRIAGE_RETURN = 13;
export const SPACE = 32;
export const TAB = 9;
export const BACKSLASH = 92;
export const SINGLE_QUOTE = 39;
export const DOUBLE_QUOTE = 34;
export const HASH = 35;
export const AT = 64;

export function isLineBreak(code: number): boolean {
  return code === NEWLINE || code === CARRIAGE_RETURN;
}

/** A letter, a digit, `_` or `$`, or anything beyond ASCII. */
export function isWord(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 48 && code <= 57) ||
    code === 95 ||
    code === 36 ||
    code > 127
  );
}

/** Where the line ends that `at` stands in: at its line break, or at the end of the text. */
export function lineEnd(text: string, at: number): number {
  let end = at;
  while (end < text.length && !isLineBreak(text.charCodeAt(end))) end += 1;
  return end;
}

/** Where the line begins that `at` stands in. */
export function lineStart(text: string, at: number): number {
  let start = at;
  while (start > 0 && !isLineBreak(text.charCodeAt(start - 1))) start -= 1;
  return start;
}

/** Where the text begins: behind a byte order mark, which no grammar knows. */
export function textStart(text: string): number {
  return text.charCodeAt(0) === 0xfeff ? 1 : 0;
}

/** Whether one of the words stands at `at`, and ends there. `words` is sticky. */
export function standsAt(words: RegExp, text: string, at: number): boolean {
  words.lastIndex = at;
  return words.test(text);
}
