/** The files of settings that DVC writes by `configobj`: sections, keys, quoted values, lists by comma, comments. */
import { DatasetFault } from "../dataset.ts";

/** Values by key, of each section by its name as written; what stands before the first section is of section `""`. */
export type IniSections = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Reads a file's text. A list is given with commas and no spaces. Throws DatasetFault that names file and line. */
export function parseIni(text: string, path: string): IniSections {
  const sections = new Map<string, Map<string, string>>();
  let current = sectionOf(sections, "");
  for (const [index, line] of text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const heading = /^\[\s*(?:"([^"]*)"|'([^']*)'|([^\][]*?))\s*\]\s*(?:#.*)?$/.exec(trimmed);
    if (heading !== null) {
      current = sectionOf(sections, heading[1] ?? heading[2] ?? heading[3] ?? "");
      continue;
    }
    const pair = /^("[^"]*"|'[^']*'|[^'"=][^=]*?)\s*=\s*(.*)$/.exec(trimmed);
    const value = pair === null ? undefined : listOf(pair[2] ?? "");
    if (pair === null || value === undefined) {
      throw new DatasetFault("corrupt", `Line ${index + 1} of ${path} cannot be read.`, {
        field: path,
        mend: "Write it as `key = value`, or a section as `[core]` or `['remote \"name\"']`.",
      });
    }
    current.set(unquoted(pair[1] ?? "").toLowerCase(), value);
  }
  return sections;
}

function sectionOf(sections: Map<string, Map<string, string>>, name: string): Map<string, string> {
  const key = name.toLowerCase().startsWith("remote") ? name : name.toLowerCase();
  const found = sections.get(key) ?? new Map<string, string>();
  sections.set(key, found);
  return found;
}

/** Quoted and plain parts by comma, up to a comment; undefined when a quote is not closed. */
function listOf(text: string): string | undefined {
  const parts: string[] = [];
  for (let rest = text.trim(); ; ) {
    const part = /^("[^"]*"|'[^']*'|[^'",#][^,#]*|)\s*(,|#.*$|$)\s*/.exec(rest);
    if (part === null) return undefined;
    const value = unquoted((part[1] ?? "").trim());
    rest = rest.slice(part[0].length);
    const isMore = part[2] === ",";
    if (value !== "" || (!isMore && parts.length === 0)) parts.push(value);
    if (!isMore) return parts.join(",");
  }
}

function unquoted(text: string): string {
  return /^(["']).*\1$/s.test(text) && text.length > 1 ? text.slice(1, -1) : text;
}
