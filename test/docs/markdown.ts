/** The Markdown of the project, and the code blocks in it. */

import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");

/** A fenced block of code. */
export interface Block {
  /** File of the page, from the root of the repository. */
  readonly page: string;
  /** Line of the first line of code, from 1. */
  readonly line: number;
  /** Such as `python`; empty for a plain block. */
  readonly language: string;
  /** File that the block is to be saved as, from an info string such as `python train.py`; empty for none. */
  readonly file: string;
  readonly code: string;
  /** Why it cannot run here, from a comment `<!-- not run: REASON -->` before it; empty when it runs. */
  readonly notRun: string;
}

/** Pages whose blocks are run and whose links are followed: the site's, and the Markdown beside the code. */
export function markdownFiles(): string[] {
  const patterns = [
    "*.md",
    "docs/**/*.md",
    "clients/*/README.md",
    "clients/vscode/CHANGELOG.md",
    "daemon/deploy/**/*.md",
  ];
  const exclude = ["docs/site/**", "**/node_modules/**"];
  return globSync(patterns, { cwd: ROOT, exclude }).toSorted();
}

/** The text of a page. */
export function readMarkdown(page: string): string {
  return readFileSync(join(ROOT, page), "utf8");
}

const FENCE = /^(?:<!-- not run: (?<why>[^\n]*?) -->\n+)?```(?<info>[^\n`]*)\n(?<code>.*?)^```$/gms;

/** The fenced blocks of a page, in their order. */
export function blocksOf(page: string, text = readMarkdown(page)): Block[] {
  return [...text.matchAll(FENCE)].map((found) => {
    const { why = "", info = "", code = "" } = found.groups ?? {};
    const [language = "", file = ""] = info.trim().split(/\s+/);
    const before = text.slice(0, found.index + found[0].length - "```".length - code.length);
    return { page, line: before.split("\n").length, language, file, code, notRun: why };
  });
}

/** All blocks of all pages. */
export function allBlocks(): Block[] {
  return markdownFiles().flatMap((page) => blocksOf(page));
}
