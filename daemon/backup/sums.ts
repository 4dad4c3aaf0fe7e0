/** Lines of SHA256SUMS, as GNU coreutils write and read them. */

const LINE = /^(\\?)([0-9a-f]{64}) [ *](.+)$/s;
const ESCAPES: { readonly [char: string]: string } = { "\\": "\\\\", "\n": "\\n", "\r": "\\r" };
const UNESCAPES: { readonly [escaped: string]: string } = { "\\\\": "\\", "\\n": "\n", "\\r": "\r" };

/** The line of a file, with its end. A name with a backslash or an end of line is escaped, and the line begins so. */
export function sumLine(sha256: string, path: string): string {
  const escaped = path.replace(/[\\\n\r]/g, (char) => ESCAPES[char] ?? char);
  return `${escaped === path ? "" : "\\"}${sha256}  ${escaped}\n`;
}

/** Path to SHA-256; undefined where a line is none, or names a file twice. */
export function readSums(text: string): ReadonlyMap<string, string> | undefined {
  const sums = new Map<string, string>();
  if (text !== "" && !text.endsWith("\n")) return undefined;
  for (const line of text.split("\n").slice(0, -1)) {
    const [, escaped, sha256 = "", name = ""] = LINE.exec(line) ?? [];
    const path = escaped === "" ? name : name.replace(/\\[\\nr]/g, (found) => UNESCAPES[found] ?? found);
    if (path === "" || sums.has(path)) return undefined;
    sums.set(path, sha256);
  }
  return sums;
}
