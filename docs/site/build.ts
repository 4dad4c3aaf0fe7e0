/**
 * `npm run docs`: the documentation site in docs/site/dist, plain files for any web server. Fails on a dead link, on a
 * page that the sidebar does not have, and on a public name without documentation.
 */
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { referencePages } from "./reference/index.ts";
import { sidebarOf } from "./sidebar.ts";
import { orphans, ROOT, stagedText, writtenPages } from "./stage.ts";

const SITE = import.meta.dirname;
const PAGES = join(SITE, "pages");

if (!existsSync(join(SITE, "node_modules/vitepress"))) {
  console.error("The packages of docs/site are missing: run `npm ci --prefix docs/site`.");
  process.exit(1);
}
const pages = [...writtenPages(), ...(await referencePages())];
const lost = orphans(pages);
if (lost.length > 0) throw new Error(`Not in docs/site/nav.ts, and so in no sidebar: ${lost.join(", ")}`);
rmSync(PAGES, { recursive: true, force: true });
for (const page of pages) {
  const file = join(PAGES, page.path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, stagedText(page, pages));
}
cpSync(join(ROOT, "docs/images"), join(PAGES, "public/images"), { recursive: true });
writeFileSync(join(PAGES, "sidebar.json"), JSON.stringify(sidebarOf(pages)));
console.log(`${pages.length} pages`);

const verb = process.argv.includes("--dev") ? "dev" : "build";
const vitepress = spawn(
  process.execPath,
  [join(SITE, "node_modules/vitepress/bin/vitepress.js"), verb, SITE],
  {
    cwd: SITE,
    stdio: "inherit",
  },
);
vitepress.on("close", (code) => process.exit(code ?? 1));
