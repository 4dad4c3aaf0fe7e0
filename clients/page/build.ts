/** Makes the page: files that `pkx ui` serves and that VS Code's webview embeds. Nothing in them asks anything from elsewhere. */
import { readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { build } from "esbuild";

const SOURCES = join(import.meta.dirname, "src");
const MODULES = resolve(import.meta.dirname, "../../node_modules");

/** Packages from outside that are in the page. */
export const PAGE_PACKAGES: readonly string[] = ["uplot"];

/**
 * Every file of the page, by its name: `page.js` (one classic script, no modules to load), `page.css`, `index.html`
 * (which holds neither script nor style, for a strict content security policy) and `LICENSES.txt`.
 */
export async function buildPage(): Promise<Map<string, Uint8Array>> {
  const result = await build({
    entryPoints: [
      { in: join(SOURCES, "main.ts"), out: "page" },
      { in: join(SOURCES, "styles/page.css"), out: "page" },
    ],
    outdir: "out",
    bundle: true,
    write: false,
    format: "iife",
    platform: "browser",
    target: "es2023",
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "none",
    logLevel: "warning",
  }).catch((cause) => {
    throw new Error("The page could not be built; esbuild's messages tell why.", { cause });
  });
  const files = new Map<string, Uint8Array>();
  for (const { path, contents } of result.outputFiles) {
    files.set(basename(path), contents);
  }
  files.set("index.html", readFileSync(join(SOURCES, "index.html")));
  files.set("LICENSES.txt", Buffer.from(PAGE_PACKAGES.map(licence).join("\n")));
  return files;
}

function licence(name: string): string {
  return `${name}\n\n${readFileSync(join(MODULES, name, "LICENSE"), "utf8").trim()}\n`;
}
