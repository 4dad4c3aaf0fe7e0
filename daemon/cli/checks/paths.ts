/** What is at a path, and what may be done there. */
import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { codeOf } from "./finding.ts";

/** The path, or of what is above it the nearest that exists. */
export function standing(path: string): string {
  let at = path;
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  return at;
}

/** What is in a folder; nothing where there is none, or it cannot be read. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Why nothing can be made in a folder, such as `EACCES`; undefined when it can. */
export function unwritable(folder: string): string | undefined {
  return refusal(folder, constants.W_OK | constants.X_OK);
}

/** Why a file cannot be read; undefined when it can. */
export function unreadable(file: string): string | undefined {
  return refusal(file, constants.R_OK);
}

function refusal(path: string, mode: number): string | undefined {
  try {
    accessSync(path, mode);
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}
