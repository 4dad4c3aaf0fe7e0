/** The table of tools, releases and results, as text and in docs/compatibility.md. */

import type { Outcome } from "./suites.ts";

/** One release of one tool. */
export interface Line {
  readonly name: string;
  readonly version: string;
  readonly outcome: Outcome;
}

const START = "<!-- drift: written by `npm run drift -- --write` -->";
const END = "<!-- /drift -->";
const HEAD = ["tool", "release", "passed", "failed", "skipped", "result"];

/** A Markdown table. */
export function table(lines: readonly Line[]): string {
  const rows = lines.map(({ name, version, outcome }) => rowOf(name, version, outcome));
  return [HEAD, HEAD.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/**
 * The page with these lines in its table, in place of those of the same tool and release before. Throws when the page has
 * no place for it.
 */
export function withTable(page: string, lines: readonly Line[]): string {
  const [start, end] = [page.indexOf(START), page.indexOf(END)];
  if (start === -1 || end < start) throw new Error(`The page has no ${START} ... ${END}.`);
  const names = new Set(lines.map(({ name }) => name));
  const kept = page
    .slice(start, end)
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| ---") && !line.startsWith("| tool "))
    .filter((line) => !names.has(line.split("|")[1]?.trim() ?? ""));
  const made = table(lines).split("\n").slice(2);
  const rows = [...kept, ...made].sort();
  const head = table([]);
  return `${page.slice(0, start)}${START}\n\n${[head, ...rows].join("\n")}\n\n${page.slice(end)}`;
}

function rowOf(name: string, version: string, outcome: Outcome): readonly string[] {
  const { passed, failed, skipped } = outcome;
  const works = failed === 0 && passed > 0;
  return [name, version, String(passed), String(failed), String(skipped), works ? "works" : "FAILS"];
}
