/** Links of Markdown: finding them, and pointing those of the repository's files to pages of the site. */

import { posix } from "node:path";

/** A link, or the source of an image. */
export interface Link {
  readonly text: string;
  readonly target: string;
  readonly image: boolean;
  /** 1 for the first line. */
  readonly line: number;
}

/** Fenced blocks and inline code, in which nothing is a link. */
const CODE = /^(```+|~~~+)[^\n]*\n.*?^\1[ ]*$|(`+)(?!`).*?(?<!`)\2(?!`)/gms;
const LINK = /(!?)\[((?:[^\][]|\[[^\]]*\](?:\([^)]*\))?)*)\]\(([^()\s]+(?:\([^()\s]*\))?)\)/g;

/** The text with its code blanked out: as many characters and lines as before. */
export function withoutCode(markdown: string): string {
  return markdown.replace(CODE, (code) => code.replace(/[^\n]/g, " "));
}

/** The links of a Markdown text. */
export function linksOf(markdown: string): Link[] {
  const prose = withoutCode(markdown);
  return [...prose.matchAll(LINK)].map((found) => ({
    text: found[2] ?? "",
    target: found[3] ?? "",
    image: found[1] === "!",
    line: prose.slice(0, found.index).split("\n").length,
  }));
}

/** Whether a target is an address elsewhere, and no path. */
export function isExternal(target: string): boolean {
  return /^[a-z][a-z+.-]*:/i.test(target);
}

/** Path and anchor that a link in `file` means, from the root of the repository; `/x` is a page of the site. */
export function resolveLink(
  file: string,
  target: string,
): { readonly path: string; readonly anchor: string } {
  const [path = "", anchor = ""] = target.split("#", 2);
  if (path === "") return { path: file, anchor };
  return {
    path: path.startsWith("/") ? path : posix.normalize(posix.join(posix.dirname(file), path)),
    anchor,
  };
}

/**
 * The text with each link of a path replaced by what `replace` gives: another target, or undefined for no link, of which
 * the text stays. Links to addresses elsewhere stay as they are.
 */
export function replaceLinks(
  markdown: string,
  replace: (target: string, image: boolean) => string | undefined,
): string {
  const prose = withoutCode(markdown);
  let done = 0;
  let result = "";
  for (const found of prose.matchAll(LINK)) {
    const target = found[3] ?? "";
    if (isExternal(target)) continue;
    // From the text itself: what is code in a link's text was blanked out.
    const whole = markdown.slice(found.index, found.index + found[0].length);
    const text = whole.slice((found[1] ?? "").length + 1, whole.length - target.length - 3);
    const instead = replace(target, found[1] === "!");
    result += markdown.slice(done, found.index);
    result += instead === undefined ? text : `${found[1]}[${text}](${instead})`;
    done = found.index + found[0].length;
  }
  return result + markdown.slice(done);
}
