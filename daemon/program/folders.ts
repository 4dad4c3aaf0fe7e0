/** Where code of ours lies that the user did not install there: folders that nobody else can write. */
import { lstatSync, mkdirSync } from "node:fs";
import { homedir, tmpdir, userInfo } from "node:os";
import { isAbsolute, join } from "node:path";

/** Folders for programs, best first: in the user's cache, and where that cannot be written beside temporary files. */
export function programFolders(): string[] {
  const { XDG_CACHE_HOME } = process.env;
  const named = XDG_CACHE_HOME !== undefined && isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : undefined;
  return [
    join(named ?? join(homedir(), ".cache"), "pipekit-experiment/program"),
    join(tmpdir(), `pkx-program-${process.getuid?.() ?? userInfo().username}`),
  ];
}

/** Makes a folder that only this user can write, or throws: code is run from it. */
export function ensureOwn(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(path);
  const own = process.getuid?.();
  // Windows has neither: there the user's own folders are closed already.
  if (own === undefined) return;
  if (!lstatSync(path).isDirectory() || uid !== own || (mode & 0o022) !== 0) {
    throw new Error("it is not a folder that only you can write");
  }
}
