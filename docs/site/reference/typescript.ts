/** The TypeScript API, made of its TSDoc by typedoc. */

import { execFile } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Page, ROOT } from "../stage.ts";

const SITE = join(import.meta.dirname, "..");

/** The pages of `@pipekit/experiment`. Throws with typedoc's words for an exported name without a comment. */
export async function typescriptPages(): Promise<Page[]> {
  const out = mkdtempSync(join(tmpdir(), "pkx-typedoc-"));
  try {
    await promisify(execFile)(
      process.execPath,
      [join(SITE, "node_modules/typedoc/bin/typedoc"), ...flags(out)],
      {
        cwd: SITE,
        maxBuffer: 16 << 20,
      },
    );
    return globSync("**/*.md", { cwd: out }).map((file) => ({
      path: `reference/typescript/${file}`,
      source: "",
      text: toSiteLinks(readFileSync(join(out, file), "utf8"), file),
    }));
  } catch (error) {
    const said = error instanceof Error && "stderr" in error ? String(error.stderr) : "";
    throw new Error(`typedoc failed: ${said || String(error)}`);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

function flags(out: string): string[] {
  return [
    ...["--plugin", "typedoc-plugin-markdown", "--out", out],
    ...["--tsconfig", join(ROOT, "tsconfig.json"), "--skipErrorChecking"],
    ...["--name", "@pipekit/experiment", "--readme", "none", "--disableSources"],
    ...["--excludePrivate", "--excludeInternal", "--hideBreadcrumbs", "--hidePageHeader"],
    ...["--entryFileName", "index", "--parametersFormat", "list"],
    ...["--validation.notExported", "false", "--logLevel", "Warn"],
    ...["--validation.notDocumented", "--treatValidationWarningsAsErrors"],
    ...["--requiredToBeDocumented", "Class", "--requiredToBeDocumented", "Interface"],
    ...["--requiredToBeDocumented", "Function", "--requiredToBeDocumented", "Method"],
    ...["--requiredToBeDocumented", "TypeAlias", "--requiredToBeDocumented", "Enum"],
    ...["--requiredToBeDocumented", "Variable"],
    join(ROOT, "clients/typescript/src/index.ts"),
  ];
}

/** Links between typedoc's files as addresses of the site. */
function toSiteLinks(text: string, file: string): string {
  const folder = file.includes("/") ? `${file.slice(0, file.lastIndexOf("/"))}/` : "";
  return text.replace(/\]\((?!https?:|#|\/)([^)#\s]+)\.md(#[^)\s]*)?\)/g, (_, path: string, hash = "") => {
    const address = new URL(`${folder}${path}`, "https://site.invalid/reference/typescript/").pathname;
    return `](${address.replace(/\/index$/, "/")}${hash})`;
  });
}
