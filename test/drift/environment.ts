/** Python environments that differ from `.venv` in the release of one tool. */

import { execFile } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { Row } from "./matrix.ts";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");
const MAX_OUTPUT = 64 * 1024 * 1024;

/** An environment, and the release of the tool that it has. */
export interface Environment {
  readonly folder: string;
  readonly version: string;
}

/**
 * Makes the environment, or takes it as it was made before. It holds the tool and what that needs; everything else
 * comes from `.venv`, which stands behind it on Python's path. `version` undefined is the newest release.
 * Rejects with pip's words when the release cannot be installed.
 */
export async function prepareEnvironment(row: Row, version: string | undefined): Promise<Environment> {
  const folder = join(ROOT, ".tools/drift", `${row.tool}-${version ?? "newest"}`);
  const python = join(folder, "bin/python");
  const release = version === undefined ? [row.tool] : [`${row.tool}==${version}`, ...row.withOldest];
  const wanted = [...release, ...row.with];
  const stamp = join(folder, ".pkx-wanted");
  // What is newest may have changed since.
  if (version === undefined || !existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted.join(" ")) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    await run("python3", ["-m", "venv", folder]);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
    await run(python, [...pip, ...wanted], { maxBuffer: MAX_OUTPUT });
    layOver(folder);
    writeFileSync(stamp, wanted.join(" "));
  }
  const ask = `import importlib.metadata as m; print(m.version(${JSON.stringify(row.tool)}))`;
  const { stdout } = await run(python, ["-c", ask]);
  return { folder, version: stdout.trim() };
}

/** Puts the packages of `.venv` behind those of the environment. After pip, which would take them as installed. */
function layOver(folder: string): void {
  const [own = ""] = globSync(join(folder, "lib/python*/site-packages"));
  const [below = ""] = globSync(join(ROOT, ".venv/lib/python*/site-packages"));
  // `site.addsitedir` also reads its .pth files, among them the one of the client's editable install.
  writeFileSync(join(own, "zz-below.pth"), `import site; site.addsitedir(${JSON.stringify(below)})\n`);
}
