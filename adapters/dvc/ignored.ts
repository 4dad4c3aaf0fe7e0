/**
 * What the ignore files of a tree leave out: `.dvcignore` for data (dvc/ignore.py), `.gitignore` for Git. A file holds for
 * its folder and all below; of the lines that match, the last counts, and nothing below an ignored folder comes back.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { type Pattern, parsePattern } from "./patterns.ts";

interface Rule extends Pattern {
  /** The folder it holds for, relative to the root with a slash at the end; empty for the root. */
  readonly base: string;
}

export interface IgnoredOptions {
  /** Absolute path of the tree. */
  readonly root: string;
  /** Name of the ignore files. */
  readonly fileName: string;
  /** Lines that come before all files. */
  readonly lines: readonly string[];
  /** A folder that holds one of this name is a tree of its own, and ignored. */
  readonly nestedTree?: string;
}

/** Whether paths of a tree are ignored. Ignore files are read once. */
export class Ignored {
  readonly #options: IgnoredOptions;
  readonly #rules = new Map<string, readonly Rule[]>();
  readonly #verdicts = new Map<string, boolean>();

  constructor(options: IgnoredOptions) {
    this.#options = options;
  }

  /** Whether what lies at an absolute path is ignored; false outside of the tree. */
  has(path: string, isFolder: boolean): boolean {
    const shown = relative(this.#options.root, path);
    if (shown === "" || shown === ".." || shown.startsWith(`..${sep}`)) return false;
    const parts = shown.split(sep);
    for (let count = 1; count < parts.length; count++) {
      if (this.#hasFolder(parts.slice(0, count).join("/"))) return true;
    }
    return isFolder ? this.#hasFolder(parts.join("/")) : this.#matches(parts.join("/"), false);
  }

  #hasFolder(shown: string): boolean {
    let verdict = this.#verdicts.get(shown);
    if (verdict === undefined) {
      verdict = this.#matches(shown, true) || this.#isNestedTree(shown);
      this.#verdicts.set(shown, verdict);
    }
    return verdict;
  }

  #isNestedTree(shown: string): boolean {
    const { root, nestedTree } = this.#options;
    if (nestedTree === undefined) return false;
    // As for DVC, what may not be looked at is not there.
    return existsSync(join(root, shown, nestedTree));
  }

  #matches(shown: string, isFolder: boolean): boolean {
    const rules = this.#rulesFor(shown.slice(0, Math.max(0, shown.lastIndexOf("/"))));
    for (let index = rules.length - 1; index >= 0; index--) {
      const rule = rules[index];
      if (rule === undefined || (rule.isForFolders && !isFolder)) continue;
      const inBase = shown.slice(rule.base.length);
      if (rule.regex.test(inBase) || (isFolder && rule.regex.test(`${inBase}/`))) return rule.ignores;
    }
    return false;
  }

  /** The rules that hold in a folder, from the root's down. */
  #rulesFor(folder: string): readonly Rule[] {
    const known = this.#rules.get(folder);
    if (known !== undefined) return known;
    const { root, fileName, lines } = this.#options;
    const above =
      folder === ""
        ? rulesOf(lines, "")
        : this.#rulesFor(folder.slice(0, Math.max(0, folder.lastIndexOf("/"))));
    const base = folder === "" ? "" : `${folder}/`;
    const own = rulesOf(linesOf(join(root, folder, fileName)), base);
    const rules = own.length === 0 ? above : [...above, ...own];
    this.#rules.set(folder, rules);
    return rules;
  }
}

function rulesOf(lines: readonly string[], base: string): readonly Rule[] {
  return lines.flatMap((line) => {
    const pattern = parsePattern(line);
    return pattern === undefined ? [] : [{ ...pattern, base }];
  });
}

/** A file's lines without space around them, as DVC takes them; none when there is no such file. */
function linesOf(path: string): readonly string[] {
  if (!existsSync(path) || !statSync(path).isFile()) return [];
  return readFileSync(path, "utf8")
    .split(/\r?\n/)
    .map((line) => line.trim());
}
