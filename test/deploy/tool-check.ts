/** Programs that check the files of daemon/deploy; what is missing skips its test and is told. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { toolPath } from "../support/tools.ts";

/** Path of a program of the Python environment or on PATH; undefined, and told, where it is not. */
export function findTool(name: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name));
  const found = [toolPath(name), ...folders].find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined) console.warn(`SKIPPED: ${name} is missing; what it checks is not tested.`);
  return found;
}

/** Runs a program to its end; throws with what it said when it fails. */
export function run(program: string, args: readonly string[], input = "", env = process.env): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { input, env, encoding: "utf8" });
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? status}\n${stdout}\n${stderr}`);
}
