/**
 * Anchors of headings as GitHub makes them, so that a link that works there works on the site.
 * Source: https://github.com/gjtorikian/html-pipeline (TableOfContentsFilter), which GitHub's renderer goes by.
 */

/** The anchor of a heading's text, such as `by-tcp-with-tls` of "By TCP, with TLS"; repeated headings get a number elsewhere. */
export function slug(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, "")
    .replaceAll(" ", "-");
}

/** The anchors of a Markdown text, in its order; the second of two equal headings ends in `-1`, as both GitHub and VitePress have it. */
export function anchorsOf(markdown: string): string[] {
  const seen = new Map<string, number>();
  const prose = markdown.replace(/^(```+|~~~+)[^\n]*\n.*?^\1[ ]*$/gms, "");
  return [...prose.matchAll(/^#{1,6} +(.+?)[ #]*$/gm)].map(([, title = ""]) => {
    const text = title
      .replace(/`([^`]*)`/g, "$1")
      .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
      .replace(/\*+/g, "");
    const base = slug(text);
    const times = seen.get(base) ?? 0;
    seen.set(base, times + 1);
    return times === 0 ? base : `${base}-${times}`;
  });
}
