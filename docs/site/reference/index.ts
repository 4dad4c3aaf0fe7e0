/** The generated reference. What has no documentation in its source fails the build. */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Page, ROOT } from "../stage.ts";
import { commandsPage } from "./commands.ts";
import { errorsPage } from "./errors.ts";
import { protocolPage } from "./protocol.ts";
import { settingsPage } from "./settings.ts";
import { typescriptPages } from "./typescript.ts";

/** All pages of the reference. */
export async function referencePages(): Promise<Page[]> {
  const [python, typescript] = await Promise.all([pythonPages(), typescriptPages()]);
  return [...python, ...typescript, commandsPage(), settingsPage(), errorsPage(), protocolPage()];
}

/** The pages of the Python package. Throws for a public name without a docstring. */
export async function pythonPages(): Promise<Page[]> {
  const { stdout } = await promisify(execFile)(
    join(ROOT, ".venv/bin/python"),
    [join(import.meta.dirname, "python.py")],
    { maxBuffer: 16 << 20 },
  );
  const { pages, missing } = JSON.parse(stdout) as { pages: Record<string, string>; missing: string[] };
  if (missing.length > 0) throw new Error(`Without a docstring: ${missing.join(", ")}`);
  return Object.entries(pages).map(([file, text]) => ({
    path: `reference/python/${file}`,
    source: "",
    text,
  }));
}
