/** The packages as `npm run package` makes them, for the tests of a file. */
import { type ExecFileOptions, execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");

/** Runs a program and returns what it printed. Rejects with all that it said when it fails. */
export function run(
  command: string,
  args: readonly string[],
  options: ExecFileOptions = {},
): Promise<string> {
  return new Promise((done, fail) => {
    execFile(command, args, { ...options, encoding: "utf8" }, (error, stdout, stderr) => {
      if (error === null) return done(stdout);
      fail(new Error(`${command} ${args.join(" ")} failed:\n${stdout}${stderr}`, { cause: error }));
    });
  });
}

/** Paths of what was made. */
export interface Made {
  readonly wheel: string;
  readonly sdist: string;
  readonly client: string;
  readonly daemon: string;
  readonly boms: readonly string[];
}

/** Makes everything in a folder. Rejects with what the programs said. */
export async function makePackages(folder: string): Promise<Made> {
  await run(process.execPath, [join(ROOT, "daemon/package/index.ts"), "--out", folder]);
  const names = readdirSync(folder).sort();
  const one = (pattern: RegExp) => {
    const [found, ...more] = names.filter((name) => pattern.test(name));
    if (found === undefined || more.length > 0) throw new Error(`${pattern} among ${names.join(", ")}`);
    return join(folder, found);
  };
  return {
    wheel: one(/\.whl$/),
    sdist: one(/\.tar\.gz$/),
    client: one(/^pipekit-experiment-.*\.tgz$/),
    daemon: one(/^pipekit-daemon-.*\.tgz$/),
    boms: names.filter((name) => name.endsWith(".cdx.json")).map((name) => join(folder, name)),
  };
}
