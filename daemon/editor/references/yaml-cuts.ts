import { type Cut, HASH, isLineBreak, lineEnd, NEWLINE, SPACE, TAB, textStart } from "./cut.ts";

const DASH = 45;

/** Cuts YAML before each line whose first column is taken: entries of the outermost mapping or sequence, and `---`. */
export function* yamlCuts(text: string, begin: number): Generator<Cut> {
  let from: number | undefined;
  let at = Math.max(textStart(text), begin);
  while (at < text.length) {
    const code = text.charCodeAt(at);
    // Items may stand in the same column as the key that they belong to.
    if (
      beginsEntry(code) &&
      (code !== DASH || from === undefined || text.charCodeAt(from) === DASH || text.startsWith("---", at))
    ) {
      if (from !== undefined) yield { from, to: at, indent: 0, opens: undefined };
      from = at;
    }
    at = lineEnd(text, at) + 1;
    if (text.charCodeAt(at - 1) !== NEWLINE && text.charCodeAt(at) === NEWLINE) at += 1;
  }
  if (from !== undefined) yield { from, to: text.length, indent: 0, opens: undefined };
}

/** Not what is empty or a comment, and not what closes a mapping or sequence in brackets. */
function beginsEntry(code: number): boolean {
  if (code === SPACE || code === TAB || code === HASH) return false;
  return !isLineBreak(code) && code !== 93 && code !== 125;
}
