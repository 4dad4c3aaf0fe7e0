/** What a YAML file is to Hydra and pipekit, and with that, which checks make sense for it. */
import { readdir } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import type { ConfigNode } from "@pipekit/proto";
import { readStart } from "./reading.ts";

/**
 * `composed`: all of its values stand in it. `part`: it is composed with others (it has a defaults list, or lies below a config that
 * has one), so that what it refers to may stand elsewhere, and `???` is meant to be given. `none`: no config.
 */
export type ConfigKind = "composed" | "part" | "none";

/** A defaults list at the left margin. */
const DEFAULTS = /^defaults[ \t]*:/m;
/** Folders above a file in which its primary config may lie. */
const MOST_FOLDERS_UP = 4;
/** As much of a file is read to see whether it has a defaults list; Hydra's own documentation puts it first. */
const HEAD_BYTES = 8192;
const MAX_FILES_A_FOLDER = 200;

/** Judges a file by its nodes and by where it lies; `path` is undefined for one that is on no disk. */
export async function configKind(
  text: string,
  nodes: readonly ConfigNode[],
  path: string | undefined,
  workspaceFolders: readonly string[],
): Promise<ConfigKind> {
  if (path !== undefined && /[\\/]\.hydra[\\/][^\\/]+\.ya?ml$/.test(path)) return "composed";
  const isPart =
    DEFAULTS.test(text) || (path !== undefined && (await liesBelowPrimary(path, workspaceFolders)));
  if (isPart) return "part";
  const paths = new Set(nodes.map((node) => node.path));
  // A text that is no YAML has no nodes.
  if (nodes.length === 0) return /^[ \t-]*_target_[ \t]*:/m.test(text) ? "composed" : "none";
  const speaks = nodes.some(({ path: at }) => /(^|\.)_target_$/.test(at) || isState(at, paths));
  return speaks ? "composed" : "none";
}

/** Whether a path is the `module` of a pipeline state: a mapping of module, class and config. */
export function isState(path: string, paths: ReadonlySet<string>): boolean {
  if (path !== "module" && !path.endsWith(".module")) return false;
  const parent = path.slice(0, path.length - "module".length);
  return paths.has(`${parent}class`) && paths.has(`${parent}config`);
}

async function liesBelowPrimary(path: string, workspaceFolders: readonly string[]): Promise<boolean> {
  const workspace = workspaceFolders.find((folder) => !relative(folder, path).startsWith(`..${sep}`));
  let folder = dirname(path);
  for (let up = 0; up < MOST_FOLDERS_UP; up++) {
    if (up > 0 && (await hasPrimary(folder))) return true;
    if (folder === workspace || folder === dirname(folder)) return false;
    folder = dirname(folder);
  }
  return false;
}

async function hasPrimary(folder: string): Promise<boolean> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => /\.ya?ml$/.test(name));
  for (const name of names.slice(0, MAX_FILES_A_FOLDER)) {
    if (DEFAULTS.test((await readStart(join(folder, name), HEAD_BYTES)) ?? "")) return true;
  }
  return false;
}
