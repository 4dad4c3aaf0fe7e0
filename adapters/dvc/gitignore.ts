/** The line of `.gitignore` that keeps data out of Git, as DVC writes it (scmrepo/git/__init__.py). */
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isMissing } from "../file-faults.ts";
import { replaceFile } from "./replacing.ts";
import type { Repository } from "./repository.ts";

/** Sees to it that Git ignores the data; returns the file that it changed, if it did. */
export async function ignoreInGit(
  repository: Repository,
  data: string,
  isFolder: boolean,
): Promise<string | undefined> {
  const { git } = repository;
  if (git === undefined || git.ignores(data, isFolder)) return undefined;
  const file = join(dirname(data), ".gitignore");
  const before = await readFile(file, "utf8").catch((error: unknown) => {
    if (isMissing(error)) return "";
    throw error;
  });
  const line = `/${escaped(basename(data))}`;
  if (before.split("\n").includes(line)) return undefined;
  const newline = before === "" || before.endsWith("\n") ? "" : "\n";
  await replaceFile(file, `${before}${newline}${line}\n`, repository.fileMode);
  return file;
}

/** What would be a pattern is taken as it is (`GitWildMatchPattern.escape`). */
function escaped(name: string): string {
  return name.replace(/[\\[\]!*#?]/g, "\\$&");
}
