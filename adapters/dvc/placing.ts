/** Carrying out the plans of a checkout. */

import { randomUUID } from "node:crypto";
import { lstatSync } from "node:fs";
import { rename, rm, rmdir, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DatasetFault, type DatasetWork } from "../dataset.ts";
import { makeFolder } from "../new-folder.ts";
import { eachOf } from "../workers.ts";
import { Clearing } from "./clearing.ts";
import type { Stamp } from "./digest-file.ts";
import { Counted } from "./digests.ts";
import { Linker, TEMP_PREFIX } from "./links.ts";
import type { ListingEntry } from "./listing.ts";
import type { Memory, Remembered } from "./memory.ts";
import type { Plan } from "./plan.ts";
import type { Repository } from "./repository.ts";
import { stampAt } from "./tree.ts";

/** Files that are placed at a time. */
const AT_ONCE = 16;

/** A file to be placed, and the object that it is to be. */
interface Placement {
  readonly entry: ListingEntry;
  readonly source: string;
  readonly stamp: Stamp;
}

export class Placer {
  readonly #repository: Repository;
  readonly #memory: Memory;
  readonly #work: DatasetWork;
  readonly #clearing: Clearing;
  readonly #linker: Linker;
  readonly #tempFolder: string;
  readonly #placed: Remembered[] = [];

  constructor(repository: Repository, memory: Memory, force: boolean, work: DatasetWork) {
    this.#repository = repository;
    this.#memory = memory;
    this.#work = work;
    this.#clearing = new Clearing(force);
    this.#tempFolder = join(repository.dvcFolder, "tmp");
    this.#linker = new Linker({
      types: repository.config.linkTypes,
      tempFolder: this.#tempFolder,
      fileMode: repository.fileMode,
    });
  }

  /** Returns the bytes of what was placed. Nothing is touched before all objects are there. */
  async run(plans: readonly Plan[]): Promise<number> {
    const all = new Map<Plan, readonly Placement[]>();
    for (const plan of plans) all.set(plan, this.#sources(plan));
    const placements = [...all.values()].flat();
    const count = new Counted("linking", placements, this.#work);
    for (const [plan, own] of all) await this.#carryOut(plan, own, count);
    // A link to an object shares its stamp, and what is known of the object is known of it.
    await this.#memory.remember(this.#placed);
    return placements.reduce((sum, { stamp }) => sum + Number(stamp.size), 0);
  }

  #sources({ wanted, placements }: Plan): readonly Placement[] {
    const { cache } = this.#repository;
    return placements.map((entry) => {
      const source = cache.path(entry.md5, wanted.algorithm);
      try {
        return { entry, source, stamp: stampAt(source) };
      } catch (cause) {
        const path = join(wanted.path, entry.relpath);
        throw new DatasetFault("not-found", `The cache has no object ${entry.md5} for ${path}.`, {
          field: entry.md5,
          mend: "Pull it from a remote that has it.",
          cause,
        });
      }
    });
  }

  async #carryOut(plan: Plan, placements: readonly Placement[], count: Counted): Promise<void> {
    const { path, isFolder } = plan.wanted;
    await makeFolder(dirname(path), this.#repository.folderMode);
    if (plan.isFresh && isFolder) return this.#placeWhole(plan, placements, count);
    await this.#remove(plan);
    if (isFolder) await makeFolder(path, this.#repository.folderMode);
    await this.#placeIn(path, plan, placements, count);
  }

  /** A folder that is new appears when all of it is there. */
  async #placeWhole(plan: Plan, placements: readonly Placement[], count: Counted): Promise<void> {
    const { path } = plan.wanted;
    const { folderMode } = this.#repository;
    const [above, own] = await Promise.all([stat(dirname(path)), stat(this.#tempFolder)]);
    const name = TEMP_PREFIX + randomUUID();
    const isNear = above.dev === own.dev;
    const temp = isNear ? join(this.#tempFolder, name) : join(dirname(path), `.${basename(path)}.${name}`);
    try {
      await makeFolder(temp, folderMode);
      const before = this.#placed.length;
      await this.#placeIn(temp, plan, placements, count);
      // A link that is dangling is nothing, and in the way.
      if (isLink(path)) await unlink(path);
      await rename(temp, path);
      const moved = this.#placed.splice(before);
      this.#placed.push(...moved.map((one) => ({ ...one, path: path + one.path.slice(temp.length) })));
    } finally {
      await rm(temp, { recursive: true, force: true });
    }
  }

  async #remove(plan: Plan): Promise<void> {
    const { wanted, removals, isFolderInTheWay } = plan;
    const folders = new Set<string>();
    for (const relpath of removals) {
      this.#work.signal.throwIfAborted();
      await this.#clearing.remove(plan, relpath);
      for (let at = dirname(relpath); relpath !== "" && at !== "."; at = dirname(at)) folders.add(at);
    }
    // The deepest first. One that still has something, such as ignored files, stays.
    for (const folder of [...folders].toSorted((a, b) => b.split("/").length - a.split("/").length)) {
      await rmdir(join(wanted.path, folder)).catch(() => undefined);
    }
    if (isFolderInTheWay) await this.#clearing.folder(wanted.path);
  }

  async #placeIn(
    folder: string,
    plan: Plan,
    placements: readonly Placement[],
    count: Counted,
  ): Promise<void> {
    const made = new Set<string>();
    const { isFolder, isExecutable, algorithm } = plan.wanted;
    const place = async ({ entry, source, stamp }: Placement): Promise<void> => {
      const target = entry.relpath === "" ? folder : join(folder, entry.relpath);
      const parent = dirname(target);
      if (!made.has(parent)) {
        await makeFolder(parent, this.#repository.folderMode);
        made.add(parent);
      }
      if (!(plan.isFresh && isFolder)) await this.#clearing.forFile(plan, entry.relpath);
      const size = Number(stamp.size);
      const placed = await this.#linker.place(source, target, { size, isExecutable });
      count.onBytes(size);
      count.onFile();
      if (algorithm !== "md5" || placed === undefined) return;
      this.#placed.push({ path: target, digest: { md5: entry.md5, sha256: "", stamp: placed } });
    };
    await eachOf(placements, AT_ONCE, place, this.#work.signal);
  }
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}
