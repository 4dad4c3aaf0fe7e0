/**
 * DVC's settings: `config` of the system, of the user, `.dvc/config` and `.dvc/config.local`, each over the one before
 * (dvc/config.py). Relative paths are relative to the folder of the file in which they stand.
 */
import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { DatasetFault } from "../dataset.ts";
import { isMissing } from "../file-faults.ts";
import { parseIni } from "./ini.ts";

/** Where a remote is and how to get in. Some values are secrets: they go into no message. */
export interface RemoteConfig {
  readonly name: string;
  /** As DVC resolves it: `s3://...`, or an absolute path. */
  readonly url: string;
  /** All settings, by lower-case key; paths made absolute. */
  readonly settings: ReadonlyMap<string, string>;
}

/** How files get from the cache to the workspace, in order of choice. */
export type LinkType = "reflink" | "hardlink" | "symlink" | "copy";

export interface DvcConfig {
  /** Name of the default remote; empty for none. */
  readonly defaultRemote: string;
  readonly remotes: ReadonlyMap<string, RemoteConfig>;
  /** Absolute path of the cache. */
  readonly cacheFolder: string;
  readonly linkTypes: readonly LinkType[];
  /** `cache.shared = group`: files of the cache are the group's too. */
  readonly isShared: boolean;
  /** `core.hardlink_lock`: the lock is a file made by link(2), for file systems that have no flock(2). */
  readonly hasHardlinkLock: boolean;
  /** `core.no_scm`: no version control is above the repository, and none is looked for. */
  readonly hasNoScm: boolean;
  /** `core.autostage`: DVC runs `git add` for what it writes. */
  readonly autostages: boolean;
}

const LINK_TYPES: ReadonlySet<string> = new Set<LinkType>(["reflink", "hardlink", "symlink", "copy"]);
const DEFAULT_LINK_TYPES: readonly LinkType[] = ["reflink", "copy"];

/** Settings that are paths (`_map_dirs` of dvc/config.py). */
const PATH_KEYS: ReadonlySet<string> = new Set([
  "url",
  "credentialpath",
  "configpath",
  "keyfile",
  "cert_path",
  "key_path",
]);

type Sections = Map<string, Map<string, string>>;

/** Reads the settings of a repository. `dvcFolder` is its `.dvc`. Throws DatasetFault that names file and key. */
export async function readConfig(
  dvcFolder: string,
  env: NodeJS.ProcessEnv,
  home: string,
): Promise<DvcConfig> {
  const merged: Sections = new Map();
  for (const path of configFiles(dvcFolder, env, home)) await mergeFile(merged, path, home);
  const value = (section: string, key: string): string => merged.get(section)?.get(key) ?? "";
  const remotes = new Map<string, RemoteConfig>();
  for (const [section, settings] of merged) {
    const name = /^\s*remote\s*"(.*)"\s*$/.exec(section)?.[1];
    if (name !== undefined) remotes.set(name, { name, url: settings.get("url") ?? "", settings });
  }
  return {
    defaultRemote: value("core", "remote"),
    remotes,
    cacheFolder: value("cache", "dir") || join(dvcFolder, "cache"),
    linkTypes: linkTypesOf(value("cache", "type"), dvcFolder),
    isShared: value("cache", "shared") === "group",
    hasHardlinkLock: isTrue(value("core", "hardlink_lock")),
    hasNoScm: isTrue(value("core", "no_scm")),
    autostages: isTrue(value("core", "autostage")),
  };
}

/** From the one that counts least. */
function configFiles(dvcFolder: string, env: NodeJS.ProcessEnv, home: string): readonly string[] {
  const system =
    env["DVC_SYSTEM_CONFIG_DIR"] || join((env["XDG_CONFIG_DIRS"] || "/etc/xdg").split(":")[0] ?? "", "dvc");
  const user = env["DVC_GLOBAL_CONFIG_DIR"] || join(env["XDG_CONFIG_HOME"] || join(home, ".config"), "dvc");
  return [
    join(system, "config"),
    join(user, "config"),
    join(dvcFolder, "config"),
    join(dvcFolder, "config.local"),
  ];
}

async function mergeFile(merged: Sections, path: string, home: string): Promise<void> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return;
    throw new DatasetFault("corrupt", `The settings ${path} cannot be read.`, {
      field: path,
      mend: "Make it a file that the daemon's user may read.",
      cause: error,
    });
  }
  for (const [name, pairs] of parseIni(text, path)) {
    const section = merged.get(name) ?? new Map<string, string>();
    merged.set(name, section);
    const isRemote = /^\s*remote\s*"/.test(name);
    for (const [key, value] of pairs) {
      const isPath = (name === "cache" && key === "dir") || (isRemote && PATH_KEYS.has(key));
      section.set(key, isPath ? absolute(value, dirname(path), home) : value);
    }
  }
}

function absolute(value: string, folder: string, home: string): string {
  if (/^\w+:\/\//.test(value) || isAbsolute(value)) return value;
  if (value === "~" || value.startsWith("~/")) return join(home, value.slice(1));
  return resolve(folder, value);
}

function linkTypesOf(value: string, dvcFolder: string): readonly LinkType[] {
  const names = value
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const wrong = names.find((name) => !LINK_TYPES.has(name));
  if (wrong !== undefined) {
    throw new DatasetFault(
      "corrupt",
      `cache.type in the settings of ${dvcFolder} names the link type ${wrong}.`,
      {
        field: "cache.type",
        mend: "Use reflink, hardlink, symlink or copy, several with commas.",
      },
    );
  }
  return names.length === 0 ? DEFAULT_LINK_TYPES : (names as LinkType[]);
}

/** As DVC's schema reads it (`Bool` of dvc/config_schema.py). */
function isTrue(value: string): boolean {
  return value.toLowerCase() === "true";
}
