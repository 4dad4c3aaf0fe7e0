/** Tells whether a dotted path, such as `my_models.nets.Net`, names something in a Python module. It imports nothing. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { nearestName } from "@pipekit/proto";
import { readStart } from "../reading.ts";
import { type Definitions, definitions } from "./definitions.ts";
import type { ModuleRoots } from "./roots.ts";
import { STANDARD_LIBRARY } from "./standard-library.ts";

/** It is there, or `unsure`: it may be there, but that cannot be read. */
interface Present {
  readonly kind: "found" | "unsure";
}

/** No module of the name. */
interface NoModule {
  readonly kind: "no-module";
  /** The path up to the part that is not there. */
  readonly module: string;
  /** What is there by much the same name as that part. */
  readonly near: string | undefined;
}

/** The module is there and does not define the name. */
interface NoName {
  readonly kind: "no-name";
  readonly module: string;
  readonly name: string;
  /** The module's file. */
  readonly file: string;
  readonly near: string | undefined;
}

export type Found = Present | NoModule | NoName;

/** A package's folder, a module's file, or one that is compiled. */
type Module = { readonly folder?: string; readonly file?: string; readonly compiled?: true };

/** Longer modules are not read. */
const MAX_MODULE_BYTES = 2 << 20;
const MAX_MODULES_KEPT = 500;
/** How far `from x import *` is followed. */
const MOST_STARS = 8;

/** Modules that were read, by their files; `mark` changes when a file does. */
export type KnownModules = Map<string, { readonly mark: string; readonly definitions: Definitions }>;

export class ModuleFinder {
  readonly #roots: ModuleRoots;
  readonly #read: KnownModules;

  /** `known` outlives the finder, which goes with its roots. */
  constructor(roots: ModuleRoots, known: KnownModules) {
    this.#roots = roots;
    this.#read = known;
  }

  /** Looks for `parts.of.a.path`, whose last part or parts are names within a module. */
  async find(path: string): Promise<Found> {
    const parts = path.split(".");
    const top = parts[0] ?? "";
    if (STANDARD_LIBRARY.has(top)) return { kind: "unsure" };
    let module = await this.#top(top);
    if (module === undefined) {
      if (!this.#roots.environment) return { kind: "unsure" };
      return { kind: "no-module", module: top, near: nearestName(top, await this.#topNames()) };
    }
    for (let used = 1; used < parts.length; used++) {
      const name = parts[used] ?? "";
      const below: Module | undefined =
        module.folder === undefined ? undefined : await moduleIn(module.folder, name);
      if (below !== undefined) {
        module = below;
        continue;
      }
      return this.#inModule(module, parts.slice(0, used).join("."), name);
    }
    return { kind: "found" };
  }

  /** Looks for a name that a module defines itself. */
  async #inModule(module: Module, dotted: string, name: string): Promise<Found> {
    if (module.compiled) return { kind: "unsure" };
    if (module.file === undefined) {
      // A folder without an __init__.py: only modules can be in it.
      const within = module.folder === undefined ? [] : await moduleNames(module.folder);
      return { kind: "no-module", module: `${dotted}.${name}`, near: nearestName(name, within) };
    }
    const defined = await this.#definitions(module.file);
    if (defined === undefined) return { kind: "unsure" };
    if (defined.names.has(name)) return { kind: "found" };
    const names = [...defined.names];
    if (!defined.complete || !(await this.#takesIn(module, dotted, defined.stars, names, MOST_STARS))) {
      return { kind: "unsure" };
    }
    if (names.includes(name)) return { kind: "found" };
    const within = module.folder === undefined ? [] : await moduleNames(module.folder);
    const near = nearestName(name, [...names, ...within]);
    return { kind: "no-name", module: dotted, name, file: module.file, near };
  }

  /** Adds what `from x import *` brings; more names than `__all__` allows cause no false alarm. False where that cannot be read. */
  async #takesIn(
    module: Module,
    dotted: string,
    stars: readonly string[],
    names: string[],
    depth: number,
  ): Promise<boolean> {
    if (stars.length > 0 && depth === 0) return false;
    for (const star of stars) {
      const path = absolute(star, dotted, module.folder !== undefined);
      const taken = path === undefined ? undefined : await this.#module(path);
      const defined = taken?.file === undefined ? undefined : await this.#definitions(taken.file);
      if (path === undefined || taken === undefined || defined === undefined || !defined.complete)
        return false;
      names.push(...defined.names);
      if (!(await this.#takesIn(taken, path, defined.stars, names, depth - 1))) return false;
    }
    return true;
  }

  /** The module of a whole dotted path. */
  async #module(path: string): Promise<Module | undefined> {
    const [top = "", ...rest] = path.split(".");
    let module = await this.#top(top);
    for (const name of rest) {
      module = module?.folder === undefined ? undefined : await moduleIn(module.folder, name);
    }
    return module;
  }

  async #top(name: string): Promise<Module | undefined> {
    const mapped = this.#roots.mapped.get(name);
    if (mapped !== undefined) return packageAt(mapped);
    // A folder without an __init__.py counts only where no root has a real module of the name.
    let bare: Module | undefined;
    for (const root of this.#roots.folders) {
      const module = await moduleIn(root, name);
      if (module?.file !== undefined || module?.compiled) return module;
      bare ??= module;
    }
    return bare;
  }

  async #topNames(): Promise<string[]> {
    const lists = await Promise.all(this.#roots.folders.map(moduleNames));
    return [...this.#roots.mapped.keys(), ...lists.flat()];
  }

  async #definitions(file: string): Promise<Definitions | undefined> {
    const found = await stat(file).catch(() => undefined);
    if (found === undefined || found.size > MAX_MODULE_BYTES) return undefined;
    const mark = `${found.mtimeMs} ${found.size}`;
    const kept = this.#read.get(file);
    if (kept?.mark === mark) return kept.definitions;
    const text = await readStart(file, MAX_MODULE_BYTES);
    if (text === undefined) return undefined;
    const read = definitions(text);
    if (this.#read.size >= MAX_MODULES_KEPT) this.#read.clear();
    this.#read.set(file, { mark, definitions: read });
    return read;
  }
}

/** The path of a module that is imported in `dotted`, which is a package or not, as `..nets` or `a.b`. */
function absolute(written: string, dotted: string, isPackage: boolean): string | undefined {
  const dots = /^\.*/.exec(written)?.[0].length ?? 0;
  if (dots === 0) return written;
  const parts = dotted.split(".");
  const kept = parts.slice(0, parts.length - dots + (isPackage ? 1 : 0));
  const name = written.slice(dots);
  if (kept.length === 0) return undefined;
  return [...kept, ...(name === "" ? [] : [name])].join(".");
}

/** The module of a name in a folder, as Python's path finder would take it: package, compiled module, source, bare folder. */
async function moduleIn(folder: string, name: string): Promise<Module | undefined> {
  const package_ = join(folder, name);
  const isFolder = await stat(package_).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder && (await isFile(join(package_, "__init__.py")))) return packageAt(package_);
  const file = join(folder, `${name}.py`);
  if (await isFile(file)) return { file };
  const entries = await readdir(folder).catch(() => []);
  const compiled = entries.some((entry) => entry.startsWith(`${name}.`) && /\.(so|pyd|pyi)$/.test(entry));
  if (compiled) return { compiled };
  return isFolder ? { folder: package_ } : undefined;
}

async function packageAt(path: string): Promise<Module> {
  if (path.endsWith(".py")) return { file: path };
  const file = join(path, "__init__.py");
  return (await isFile(file)) ? { folder: path, file } : { folder: path };
}

async function moduleNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.flatMap((entry) => {
    if (/^[\p{L}_][\p{L}\p{N}_]*$/u.test(entry.name) && !entry.isFile()) return [entry.name];
    const source = /^([\p{L}_][\p{L}\p{N}_]*)\.py$/u.exec(entry.name)?.[1];
    return source === undefined || source === "__init__" ? [] : [source];
  });
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
