/** Links and anchors of all Markdown: each leads somewhere. Addresses elsewhere are looked at by their form only. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isExternal, linksOf, resolveLink, withoutCode } from "../../docs/site/links.ts";
import { anchorsOf, slug } from "../../docs/site/slug.ts";
import { addressOf, orphans, writtenPages } from "../../docs/site/stage.ts";
import { markdownFiles, ROOT, readMarkdown } from "./markdown.ts";

/** Addresses of the site below which pages are generated; the build of the site looks at those. */
const GENERATED = /^\/reference\//;

const pages = writtenPages();
const sources = new Map(pages.map(({ path, source }) => [addressOf(path), source]));

/** What is wrong with the links of a page, as sentences. */
function faults(file: string, text = readMarkdown(file)): string[] {
  return linksOf(text).flatMap(({ target, line }) => {
    const fault = faultOf(file, target);
    return fault === undefined ? [] : [`${file}:${line}: ${target} ${fault}`];
  });
}

function faultOf(file: string, target: string): string | undefined {
  if (isExternal(target))
    return URL.canParse(target) && !/^http:\/\//.test(target) ? undefined : "is no address";
  const { path, anchor } = resolveLink(file, target);
  if (GENERATED.test(path)) return undefined;
  const source = path.startsWith("/") ? sources.get(path) : path;
  if (source === undefined || !existsSync(join(ROOT, source))) return "leads nowhere";
  if (anchor === "" || !source.endsWith(".md")) return undefined;
  return anchorsOf(readMarkdown(source)).includes(anchor) ? undefined : `: ${source} has no heading for it`;
}

test("every link leads somewhere", () => {
  expect(markdownFiles().flatMap((file) => faults(file))).toEqual([]);
});

test("a link to nothing, and an anchor of nothing, are found", () => {
  const text = "[a](none.md) [b](trackers.md#none) [c](http//x) `[d](none.md)` [e](https://example.com/x)";
  expect(faults("docs/index.md", text).map((fault) => fault.split(" ")[1])).toEqual([
    "none.md",
    "trackers.md#none",
    "http//x",
  ]);
});

test("every page is in the sidebar", () => {
  expect(orphans(pages)).toEqual([]);
});

test("no text is taken for an expression of Vue", () => {
  const found = pages.filter(({ text }) => withoutCode(text).includes("{{"));
  expect(found.map(({ source }) => source)).toEqual([]);
});

test("anchors are those of GitHub", () => {
  expect(slug("By TCP, with TLS and a token")).toBe("by-tcp-with-tls-and-a-token");
  expect(anchorsOf("# A `b` c\n```\n# no\n```\n## A b c\n## [x](y.md): z\n")).toEqual([
    "a-b-c",
    "a-b-c-1",
    "x-z",
  ]);
});
