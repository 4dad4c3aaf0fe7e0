/** What the generators of the reference share. */

import type { Page } from "../stage.ts";

/** A generated page; `lines` begin with its title. */
export function generated(path: string, lines: readonly string[]): Page {
  return { path: `reference/${path}`, source: "", text: `${lines.join("\n")}\n` };
}

/** A row of a Markdown table. */
export function row(...cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replace(/\|/g, "\\|").replace(/\s*\n\s*/g, " ")).join(" | ")} |`;
}

/** The head of a Markdown table. */
export function head(...titles: readonly string[]): string[] {
  return [row(...titles), `|${titles.map(() => "---").join("|")}|`];
}
