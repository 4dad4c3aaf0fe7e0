/**
 * Patterns of names. `*` stands for any characters, none as well; everything else stands for itself. In the spec of a registry
 * no `*` reaches over a `?`: in the query a server could be named that the pattern does not mean.
 */

/** A pattern that was read. */
export interface Pattern {
  readonly text: string;
  matches(name: string): boolean;
}

/** Reads a pattern; `barrier` is a character that no `*` stands for. */
export function patternOf(text: string, barrier?: string): Pattern {
  const parts = barrier === undefined ? [text] : text.split(barrier);
  const stretches = parts.map((part) => part.split("*"));
  return {
    text,
    matches: (name) => {
      const pieces = barrier === undefined ? [name] : name.split(barrier);
      return (
        pieces.length === stretches.length && pieces.every((piece, i) => fits(piece, stretches[i] ?? []))
      );
    },
  };
}

/** Looks for the texts between the stars from left to right, each at its first place: time grows with the lengths only. */
function fits(name: string, texts: readonly string[]): boolean {
  const [first = "", ...between] = texts;
  const last = between.pop();
  if (last === undefined) return name === first;
  const end = name.length - last.length;
  if (end < first.length || !name.startsWith(first) || !name.endsWith(last)) return false;
  let at = first.length;
  for (const text of between) {
    const found = name.indexOf(text, at);
    if (found < 0 || found + text.length > end) return false;
    at = found + text.length;
  }
  return true;
}
