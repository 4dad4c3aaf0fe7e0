/** What DVC asks of the Git repository around it, read from Git's own files. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { trackedPaths } from "./git-index.ts";
import { Ignored } from "./ignored.ts";

export class Git {
  /** Absolute path of the work tree. */
  readonly root: string;
  readonly #folder: string;
  readonly #ignored: Ignored;
  #tracked: ReadonlySet<string> | undefined;

  /** `folder`: that of Git's own files. */
  constructor(root: string, folder: string) {
    this.root = root;
    this.#folder = folder;
    this.#ignored = new Ignored({ root, fileName: ".gitignore", lines: excludes(folder) });
  }

  /** Whether a `.gitignore` or `.git/info/exclude` leaves a path out. */
  ignores(path: string, isFolder: boolean): boolean {
    return this.#ignored.has(path, isFolder);
  }

  /** Whether the index has this file, or files below this folder. Throws DatasetFault for an index that it cannot read. */
  tracks(path: string): boolean {
    this.#tracked ??= trackedPaths(join(this.#folder, "index"), hashBytes(this.#folder));
    const shown = relative(this.root, path).split(sep).join("/");
    if (this.#tracked.has(shown)) return true;
    for (const tracked of this.#tracked) if (tracked.startsWith(`${shown}/`)) return true;
    return false;
  }

  /** Runs `git add` for files (`core.autostage`). Where that fails, a person is told to do it. */
  async stage(paths: readonly string[], note: (sentence: string) => void): Promise<void> {
    const child = spawn("git", ["-C", this.root, "add", "--", ...paths], { stdio: "ignore" });
    const { promise, resolve } = Promise.withResolvers<boolean>();
    child.once("error", () => resolve(false));
    child.once("exit", (code) => resolve(code === 0));
    if (!(await promise)) note(`\`git add\` failed for ${paths.join(", ")}: add them to Git.`);
  }
}

/** The Git repository that a folder is, or lies in. */
export function findGit(folder: string): Git | undefined {
  for (let root = folder; ; root = dirname(root)) {
    const found = join(root, ".git");
    if (existsSync(found)) return new Git(root, gitFolder(root, found));
    if (root === dirname(root)) return undefined;
  }
}

/** `.git` is a folder, or in worktrees and submodules a file that names it. */
function gitFolder(root: string, found: string): string {
  if (statSync(found).isDirectory()) return found;
  const named = /^gitdir: (.*)$/m.exec(readFileSync(found, "utf8"))?.[1];
  return named === undefined ? found : resolve(root, named.trim());
}

/** A worktree's folder names the one that has what all share. */
function sharedFolder(folder: string): string {
  const common = join(folder, "commondir");
  return existsSync(common) ? resolve(folder, readFileSync(common, "utf8").trim()) : folder;
}

/** Length of the hashes: of SHA-1, unless `extensions.objectFormat` says SHA-256. */
function hashBytes(folder: string): number {
  const config = join(sharedFolder(folder), "config");
  const isSha256 =
    existsSync(config) && /^\s*objectformat\s*=\s*sha256\s*$/im.test(readFileSync(config, "utf8"));
  return isSha256 ? 32 : 20;
}

function excludes(folder: string): readonly string[] {
  const path = join(sharedFolder(folder), "info/exclude");
  return existsSync(path) ? readFileSync(path, "utf8").split(/\r?\n/) : [];
}
