/**
 * Patterns of `.gitignore` and `.dvcignore` as regular expressions, translated as the Python package `pathspec` does, by
 * which DVC reads them (`GitIgnoreSpecPattern.pattern_to_regex`).
 */

/** A line that says something. */
export interface Pattern {
  /** Matches the beginning of a path relative to the folder of the line's file; folders also with a slash at the end. */
  readonly regex: RegExp;
  /** False for a line that begins with `!`. */
  readonly ignores: boolean;
  /** Whether it is about folders alone. */
  readonly isForFolders: boolean;
}

/** Reads a line; undefined for one that says nothing, such as a comment, or that Git throws away. */
export function parsePattern(line: string): Pattern | undefined {
  const text = line.endsWith("\\ ") ? line : line.trimEnd();
  if (text === "" || text.startsWith("#") || text === "/") return undefined;
  const ignores = !text.startsWith("!");
  const body = ignores ? text : text.slice(1);
  const isForFolders = body.endsWith("/");
  const source = translate(normalized(body.split("/")), isForFolders);
  if (source === undefined) return undefined;
  try {
    return { regex: new RegExp(source, "su"), ignores, isForFolders };
  } catch {
    // Such as a range whose ends are in the wrong order.
    return undefined;
  }
}

/** Segments from the root on: `**` where any folders may be. */
function normalized(parts: readonly string[]): readonly string[] {
  const segments = [...parts];
  if (segments[0] === "") segments.shift();
  else if ((segments.length === 1 || (segments.length === 2 && segments[1] === "")) && segments[0] !== "**") {
    segments.unshift("**");
  }
  if (segments.at(-1) === "") segments[segments.length - 1] = "**";
  return segments.filter((segment, index) => segment !== "**" || segments[index - 1] !== "**");
}

function translate(segments: readonly string[], isForFolders: boolean): string | undefined {
  if (segments.length === 0) return undefined;
  const shape = segments.join("/");
  if (shape === "**") return isForFolders ? "^/" : "^.";
  if (shape === "**/*") return "^.";
  if (shape === "**/*/**") return "^/";
  const last = segments.length - 1;
  let source = "^";
  let needsSlash = false;
  for (const [index, segment] of segments.entries()) {
    if (segment === "**") {
      if (index === 0) source += "(?:.+/)?";
      else if (index < last) source += "(?:/.+)?";
      else source += "/";
      needsSlash = index > 0 && index < last;
      continue;
    }
    const glob = segment === "*" ? "[^/]+" : translateGlob(segment);
    if (glob === undefined) return undefined;
    source += (needsSlash ? "/" : "") + glob;
    if (index === last) source += "(?:/|$)";
    needsSlash = true;
  }
  return source;
}

/** A segment with `*`, `?`, `[...]` and `\`; undefined when a bracket or an escape is not ended. */
function translateGlob(segment: string): string | undefined {
  let source = "";
  for (let at = 0; at < segment.length; at++) {
    const char = String.fromCodePoint(segment.codePointAt(at) ?? 0);
    at += char.length - 1;
    if (char === "\\") {
      at++;
      const escaped = segment.codePointAt(at);
      if (escaped === undefined) return undefined;
      source += literal(String.fromCodePoint(escaped));
    } else if (char === "*") source += "[^/]*";
    else if (char === "?") source += "[^/]";
    else if (char === "[") {
      const bracket = /^\[([!^]?)(\]?[^\]]*)\]/s.exec(segment.slice(at));
      if (bracket === null) return undefined;
      const [all, negation, members = ""] = bracket;
      source += `[${negation === "" ? "" : "^"}${members.replace(/[\\\][&~(){}/|]/g, "\\$&")}]`;
      at += all.length - 1;
    } else source += literal(char);
  }
  return source;
}

function literal(char: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(char) ? `\\${char}` : char;
}
