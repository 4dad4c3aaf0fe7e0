/** The real DVC: commands of it, several in one process, since it takes a second to start. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { toolPath } from "./tools.ts";

/** The interpreter that has DVC. */
export const PYTHON = toolPath("python");
const RUN = `
import json, sys
from dvc.cli import main
for command in json.loads(sys.argv[1]):
    code = main(command)
    if code:
        sys.exit(f"dvc {' '.join(command)} ended with {code}")
`;

/** Runs the commands in the folder, one after the other; returns what they printed. Throws with it when one fails. */
export async function dvc(folder: string, ...commands: readonly (readonly string[])[]): Promise<string> {
  const { stdout } = await promisify(execFile)(PYTHON, ["-c", RUN, JSON.stringify(commands)], {
    cwd: folder,
    // Nothing of this user's: neither settings nor DVC's notes of files that it has hashed.
    env: {
      PATH: process.env["PATH"],
      HOME: folder,
      DVC_NO_ANALYTICS: "1",
      DVC_SITE_CACHE_DIR: join(folder, ".site-cache"),
      DVC_GLOBAL_CONFIG_DIR: join(folder, ".none"),
      DVC_SYSTEM_CONFIG_DIR: join(folder, ".none"),
    },
  });
  return stdout;
}
