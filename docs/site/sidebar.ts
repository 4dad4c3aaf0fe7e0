/** The sidebar and the top bar, made of the pages that are there. */

import { SECTIONS } from "./nav.ts";
import { addressOf, type Page } from "./stage.ts";

/** An entry as VitePress takes it. */
export interface SidebarEntry {
  readonly text: string;
  readonly link?: string;
  readonly collapsed?: boolean;
  readonly items?: readonly SidebarEntry[];
}

/** The first heading of a page. */
export function titleOf(page: Page): string {
  const heading = /^# +(.+)$/m.exec(page.text)?.[1];
  if (heading === undefined)
    throw new Error(`${page.source || page.path} has no title: begin it with a line "# Title".`);
  return heading.replace(/`/g, "");
}

/** Sections with the pages that exist. */
export function sidebarOf(pages: readonly Page[]): SidebarEntry[] {
  const byPath = new Map(pages.map((page) => [page.path, page]));
  return SECTIONS.map(({ title, collapsed, pages: names }) => ({
    text: title,
    ...(collapsed !== undefined && { collapsed }),
    items: names
      .map((name) => byPath.get(`${name}.md`))
      .filter((page) => page !== undefined)
      .map((page) => ({ text: titleOf(page), link: addressOf(page.path) })),
  })).filter(({ items }) => items.length > 0);
}
