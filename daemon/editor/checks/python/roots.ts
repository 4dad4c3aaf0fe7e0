/** Where Python looks for modules. Found by reading folders and files: no interpreter is run, since a stranger's folder may bring its own. */
import { readdir, stat } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { readStart } from "../reading.ts";

export interface ModuleRoots {
  /** Absolute folders, in the order in which they are looked through. */
  readonly folders: readonly string[];
  /** Modules that an editable install maps to a folder or file: name to absolute path. */
  readonly mapped: ReadonlyMap<string, string>;
  /** Whether the packages of an environment are among them: without, a module that is not found may well be installed. */
  readonly environment: boolean;
}

export interface RootsOptions {
  readonly workspaceFolders: readonly string[];
  /** Of the user's settings; relative ones lie in the first workspace folder. */
  readonly pythonPath: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

const ENVIRONMENT_FOLDERS = [".venv", "venv", "env"];
/** As much of a file that an installer wrote is read here, bytes. */
const MAX_FILE_BYTES = 1 << 20;

/** Finds the roots. Never throws: what cannot be read is left out. */
export async function moduleRoots({ workspaceFolders, pythonPath, env }: RootsOptions): Promise<ModuleRoots> {
  const base = workspaceFolders[0];
  const given = pythonPath.flatMap((folder) =>
    isAbsolute(folder) ? [folder] : base === undefined ? [] : [resolve(base, folder)],
  );
  const own = workspaceFolders.flatMap((folder) => [folder, join(folder, "src")]);
  const environments = [
    ...workspaceFolders.flatMap((folder) => ENVIRONMENT_FOLDERS.map((name) => join(folder, name))),
    ...[env["VIRTUAL_ENV"], env["CONDA_PREFIX"]].filter((folder) => folder !== undefined && folder !== ""),
  ] as string[];
  const packages = (await Promise.all(environments.map(sitePackages))).flat();
  const listed = (env["PYTHONPATH"] ?? "").split(":").filter(isAbsolute);
  const mapped = new Map<string, string>();
  const added = (await Promise.all([...packages, ...given].map((folder) => addedBy(folder, mapped)))).flat();
  return {
    folders: [...new Set([...own, ...given, ...listed, ...packages, ...added])],
    mapped,
    environment: packages.length > 0 || given.length > 0,
  };
}

/** The folders of installed packages of a virtual or conda environment. */
async function sitePackages(environment: string): Promise<string[]> {
  const versions = await names(join(environment, "lib"));
  const folders = versions
    .filter((name) => /^python3\.\d+$/.test(name))
    .map((name) => join(environment, "lib", name, "site-packages"));
  const there = await Promise.all(folders.map(isFolder));
  return folders.filter((_, index) => there[index]);
}

/**
 * What `.pth` files and the finders of editable installs add: the first name a folder a line (site.py of Python; lines that
 * begin with `import` are code and are not run), the second hold a dict `MAPPING` of module to path (setuptools).
 */
async function addedBy(folder: string, mapped: Map<string, string>): Promise<string[]> {
  const added: string[] = [];
  for (const name of await names(folder)) {
    const isFinder = /^__editable__.*_finder\.py$/.test(name);
    if (!isFinder && !name.endsWith(".pth")) continue;
    const text = (await readStart(join(folder, name), MAX_FILE_BYTES)) ?? "";
    if (isFinder) {
      for (const [, module = "", path = ""] of mappingOf(text).matchAll(/'([\w.]+)'\s*:\s*'([^'\\]+)'/g))
        mapped.set(module, path);
      continue;
    }
    for (const line of text.split(/\r?\n/)) {
      const entry = line.trim();
      if (entry === "" || entry.startsWith("#") || /^import\s/.test(entry)) continue;
      added.push(resolve(folder, entry));
    }
  }
  return added;
}

/** What stands within the braces. Searched by position: a pattern of the whole would be tried again at each of many beginnings. */
function mappingOf(text: string): string {
  const begin = /^MAPPING\b[^=\n]*=\s*\{/m.exec(text);
  if (begin === null) return "";
  const from = begin.index + begin[0].length;
  return text.slice(from, Math.max(from, text.indexOf("}", from)));
}

async function names(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
