/** Where code of ours lies that the user did not install there: folders that nobody else can write. */
import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { homedir, tmpdir, userInfo } from "node:os";
import { dirname, isAbsolute, join } from "node:path";

/** The folder in the user's cache for what code needs: compiled code, copies of programs. It need not exist. */
export function codeFolder(name: "code" | "program", env: NodeJS.ProcessEnv = process.env): string {
  const named = env["XDG_CACHE_HOME"];
  const base = named !== undefined && isAbsolute(named) ? named : join(homedir(), ".cache");
  return join(base, "pipekit-experiment", name);
}

/** Folders for programs, best first: in the user's cache, and where that cannot be written beside temporary files. */
export function programFolders(): string[] {
  return [codeFolder("program"), join(tmpdir(), `pkx-program-${process.getuid?.() ?? userInfo().username}`)];
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

/** Makes a file, or puts it in another's place: whoever reads it meanwhile sees the old or the new one, whole. */
export function replaceFile(path: string, write: (fresh: string) => void): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const fresh = `${path}.${randomBytes(8).toString("hex")}`;
  try {
    write(fresh);
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
}
