/**
 * The pages of the site: those of docs/, a few from elsewhere, and the generated reference, with their links pointing
 * from page to page.
 */

import { existsSync, globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { isExternal, linksOf, replaceLinks, resolveLink } from "./links.ts";
import { FROM_ELSEWHERE, SECTIONS } from "./nav.ts";

export const ROOT = resolve(import.meta.dirname, "../..");

/** A page before its links are turned. */
export interface Page {
  /** Path on the site, such as `how-to/promote.md`. */
  readonly path: string;
  /** File in the repository; empty for a generated page. */
  readonly source: string;
  readonly text: string;
}

/** The pages that lie in the repository as Markdown. */
export function writtenPages(): Page[] {
  const inDocs = globSync("docs/**/*.md", { cwd: ROOT, exclude: ["docs/site/**"] }).map((source) => ({
    source,
    path: source.slice("docs/".length).replace(/README\.md$/, "index.md"),
  }));
  const fromElsewhere = Object.entries(FROM_ELSEWHERE)
    .filter(([source]) => existsSync(join(ROOT, source)))
    .map(([source, path]) => ({ source, path }));
  return [...inDocs, ...fromElsewhere]
    .map((page) => ({ ...page, text: readFileSync(join(ROOT, page.source), "utf8") }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The address of a page's file, such as `/how-to/promote`. */
export function addressOf(path: string): string {
  return `/${path.replace(/(^|\/)index\.md$/, "$1").replace(/\.md$/, "")}`;
}

/** What is wrong with the set of pages: a page that no sidebar has. Empty when nothing is. */
export function orphans(pages: readonly Page[]): string[] {
  const listed = new Set([
    "index.md",
    ...SECTIONS.flatMap((section) => section.pages.map((page) => `${page}.md`)),
  ]);
  const isPart = (path: string) => path.startsWith("reference/");
  return pages.filter(({ path }) => !listed.has(path) && !isPart(path)).map(({ source }) => source);
}

/**
 * The text of each page as the site wants it. A link to a file of the repository that is no page becomes its text, for
 * the site does not know where the repository is. Throws for a link that leads nowhere.
 */
export function stagedText(page: Page, pages: readonly Page[]): string {
  const bySource = new Map(
    pages.filter(({ source }) => source !== "").map(({ source, path }) => [source, path]),
  );
  const addresses = new Set(pages.map(({ path }) => addressOf(path)));
  const dead = page.source === "" ? [] : deadLinks(page, addresses);
  if (dead.length > 0) throw new Error(dead.join("\n"));
  const text = page.text.replace(/^[ ]*<!--.*?-->\n?/gms, "");
  // The links of generated pages are those of the site already.
  if (page.source === "") return text;
  return replaceLinks(text, (target, image) => {
    const { path, anchor } = resolveLink(page.source, target);
    const hash = anchor === "" ? "" : `#${anchor}`;
    if (target.startsWith("#") || path.startsWith("/")) return target;
    if (image) return `/${path.replace(/^docs\//, "")}`;
    const staged = bySource.get(path) ?? bySource.get(`${path.replace(/\/$/, "")}/README.md`);
    return staged === undefined ? undefined : `${addressOf(staged)}${hash}`;
  });
}

/** The links of a page that lead to no file and no page, as sentences. Anchors are not looked at. */
export function deadLinks(page: Page, addresses: ReadonlySet<string>): string[] {
  return linksOf(page.text)
    .filter(({ target }) => !isExternal(target))
    .filter(({ target }) => {
      const { path } = resolveLink(page.source, target);
      return path.startsWith("/") ? !addresses.has(path) : !existsSync(join(ROOT, path));
    })
    .map(({ target, line }) => `${page.source}:${line}: the link to ${target} leads nowhere.`);
}
