/** Pythons of the machine, by version. */
import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Those that the Python client runs on. */
export const SUPPORTED_PYTHONS = ["3.10", "3.11", "3.12", "3.13"] as const;

/** Path of an interpreter of a version such as `3.10`: on PATH, or one of pyenv's. Undefined where there is none. */
export function findPython(version: string): string | undefined {
  const onPath = (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, `python${version}`));
  // A shim of pyenv is a program for the chosen version only.
  const plain = onPath.filter((path) => !path.includes("/shims/"));
  return [...pyenv(version), ...plain].find((path) => existsSync(path));
}

function pyenv(version: string): string[] {
  const versions = join(process.env["PYENV_ROOT"] ?? join(process.env["HOME"] ?? "/", ".pyenv"), "versions");
  if (!existsSync(versions)) return [];
  return readdirSync(versions)
    .filter((name) => name.startsWith(`${version}.`))
    .map((name) => join(versions, name, "bin", `python${version}`));
}

/** Why the installed packages are not tried on a version; undefined where they can be. */
export function pythonMissing(version: string): string | undefined {
  if (findPython(version) !== undefined) return undefined;
  return `Python ${version} is missing: the wheel is not installed and used with it.`;
}
