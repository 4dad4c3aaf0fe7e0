/** The tree that packages are made of, and the programs that make them. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");

/** A package.json, as far as packing needs it. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly license: string;
  readonly dependencies?: { readonly [name: string]: string };
}

/** The package.json of a folder of the tree. */
export function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
}

/** Runs a program and returns what it printed. Throws with all that it said when it fails. */
export function run(command: string, args: readonly string[], cwd = ROOT): Promise<string> {
  return new Promise((done, fail) => {
    execFile(command, args, { cwd, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error === null) return done(stdout);
      fail(new Error(`${command} ${args.join(" ")} failed:\n${stdout}${stderr}`, { cause: error }));
    });
  });
}

/** Gives a new folder, and removes it afterwards. */
export async function inStage<T>(make: (stage: string) => Promise<T>): Promise<T> {
  const stage = mkdtempSync(join(tmpdir(), "pkx-package-"));
  try {
    return await make(stage);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}
