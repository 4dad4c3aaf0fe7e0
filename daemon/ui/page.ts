/** The files of the page. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Content by name, such as `page.js`; `index.html` is the page itself. */
export type PageFiles = ReadonlyMap<string, Uint8Array>;

/** Takes them out of the bundle, or, from source, builds them. */
export async function loadPage(): Promise<PageFiles> {
  const bundled = join(import.meta.dirname, "page");
  if (!existsSync(bundled)) {
    const { buildPage } = await import("@pipekit/page/build");
    return buildPage();
  }
  const names = await readdir(bundled);
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(join(bundled, name))] as const)),
  );
}
