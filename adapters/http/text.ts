/** Texts of servers, for people. */

/** Longest message taken over from a server, characters. */
const LONGEST_MESSAGE = 300;

/** Cuts a server's text to a size for people and puts it on one line. */
export function clip(text: string): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, " ").trim();
  return line.length <= LONGEST_MESSAGE ? line : `${line.slice(0, LONGEST_MESSAGE - 1).trimEnd()}…`;
}
