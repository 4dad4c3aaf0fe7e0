/**
 * DVC's cache: objects named by their hash. `<folder>/files/md5/ab/cdef...`, and beside it the layout of DVC 2,
 * `<folder>/ab/cdef...`, whose hashes are `md5-dos2unix`; there goes only what is fetched for a record of DVC 2.
 *
 * An object of mode 0444 is whole. DVC trusts the mode, so an object gets it only after its bytes were checked and before
 * it gets its name; one of another mode is hashed again, and counts for nothing when it is not what its name says.
 */

import { randomUUID } from "node:crypto";
import type { Stats } from "node:fs";
import { chmod, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DatasetFault } from "../dataset.ts";
import { isMissing } from "../file-faults.ts";
import { syncFile, syncFolder } from "../files.ts";
import { makeFolder } from "../new-folder.ts";
import { oldFiles } from "../old-files.ts";
import { md5OfFile } from "./digest.ts";
import { legacyMd5OfFile } from "./legacy-digest.ts";
import { type ListingEntry, parseListing } from "./listing.ts";
import { keyOf } from "./remotes/remote.ts";

/** How a hash was made. `md5-dos2unix` is DVC 2's: of text with line ends changed. */
export type Algorithm = "md5" | "md5-dos2unix";

/** DVC passes over it: its objects lie in folders with names of two characters. */
const TEMP_FOLDER = "pkx-tmp";

/** The mode of an object that is whole. */
export const WHOLE_MODE = 0o444;

/** A temporary file that was not written to for so long is left over. */
const LEFT_MS = 24 * 3600 * 1000;

export interface CacheOptions {
  /** Absolute path of the cache (`cache.dir`, or `.dvc/cache`). */
  readonly folder: string;
  /** Mode of folders made in it. */
  readonly folderMode: number;
}

export class Cache {
  readonly folder: string;
  readonly #folderMode: number;
  readonly #damaged = new Set<string>();
  readonly #madeFolders = new Set<string>();
  #tidying: Promise<void> | undefined;

  constructor({ folder, folderMode }: CacheOptions) {
    this.folder = folder;
    this.#folderMode = folderMode;
  }

  /** Where the object of a hash lies, or would. */
  path(hash: string, algorithm: Algorithm = "md5"): string {
    return join(this.folder, keyOf(hash, algorithm));
  }

  /**
   * Whether it has the object, whole. One that is not what its name says stays until a whole one takes its place: what it
   * holds may have been written by a link from the workspace, and be nowhere else. (DVC removes it.)
   */
  async has(hash: string, algorithm: Algorithm = "md5"): Promise<boolean> {
    const path = this.path(hash, algorithm);
    const found = await statOf(path);
    if (found === undefined) return false;
    const mode = found.mode & 0o7777;
    if (mode === WHOLE_MODE) return true;
    if ((await hashOfFile(path, algorithm)) === hash.replace(/\.dir$/, "")) {
      // Another user's object in a shared cache cannot be protected by us, and is whole all the same.
      await chmod(path, WHOLE_MODE).catch(() => undefined);
      return true;
    }
    this.#damaged.add(path);
    return false;
  }

  /** Bytes of an object, whole or not; undefined when there is none. */
  async size(hash: string, algorithm: Algorithm = "md5"): Promise<number | undefined> {
    return (await statOf(this.path(hash, algorithm)))?.size;
  }

  /** Paths of objects that were found damaged. */
  get damaged(): readonly string[] {
    return [...this.#damaged];
  }

  /**
   * Takes in an object: `write` fills the new file at the path that it is given; then the file is checked, made durable,
   * protected and named. Of many that bring the same object, each may. Throws DatasetFault `corrupt` for other bytes.
   */
  async receive(
    hash: string,
    write: (tempPath: string) => Promise<void>,
    algorithm: Algorithm = "md5",
  ): Promise<void> {
    const temp = await this.newTemp();
    try {
      await write(temp);
      await this.#check(hash, algorithm, temp);
      await syncFile(temp);
      await this.keep(hash, temp, algorithm);
      await syncFolder(dirname(this.path(hash, algorithm)));
    } finally {
      await rm(temp, { force: true });
    }
  }

  /** Protects and names a temporary file that is known to hold the object. Its durability is the caller's. */
  async keep(hash: string, temp: string, algorithm: Algorithm = "md5"): Promise<void> {
    const path = this.path(hash, algorithm);
    await this.#makeFolder(dirname(path));
    await chmod(temp, WHOLE_MODE);
    await rename(temp, path);
    this.#damaged.delete(path);
  }

  /** A path for a new temporary file, on the file system of the objects. What killed processes left there goes first. */
  async newTemp(): Promise<string> {
    const folder = join(this.folder, TEMP_FOLDER);
    await this.#makeFolder(folder);
    this.#tidying ??= tidy(folder);
    await this.#tidying;
    return join(folder, randomUUID());
  }

  /** The files of a folder's hash. Throws DatasetFault: `not-found` when it is not here, `corrupt`. */
  async listing(hash: string, algorithm: Algorithm = "md5"): Promise<readonly ListingEntry[]> {
    const path = this.path(hash, algorithm);
    try {
      return parseListing(await readFile(path), path);
    } catch (error) {
      if (!isMissing(error)) throw error;
      throw new DatasetFault("not-found", `The cache has no listing ${hash}.`, {
        field: hash,
        mend: "Pull it from a remote.",
        cause: error,
      });
    }
  }

  async #check(hash: string, algorithm: Algorithm, temp: string): Promise<void> {
    const md5 = await hashOfFile(temp, algorithm);
    if (md5 !== hash.replace(/\.dir$/, "")) {
      throw new DatasetFault("corrupt", `What was received as ${hash} has the MD5 ${md5}.`, {
        field: hash,
        mend: "Push it anew from a place that has it whole.",
      });
    }
    if (hash.endsWith(".dir")) parseListing(await readFile(temp), hash);
  }

  async #makeFolder(folder: string): Promise<void> {
    if (this.#madeFolders.has(folder)) return;
    await makeFolder(folder, this.#folderMode);
    this.#madeFolders.add(folder);
  }
}

/** Removes temporary files that nobody can be writing any more; those of other users of a shared cache are left to them. */
async function tidy(folder: string): Promise<void> {
  const { signal } = new AbortController();
  const removed = oldFiles(folder, () => true, { olderThanMs: LEFT_MS, remove: true }, signal);
  await Array.fromAsync(removed).catch(() => undefined);
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** DVC 2 took a listing's MD5 as it is, too: one is JSON on a single line. */
async function hashOfFile(path: string, algorithm: Algorithm): Promise<string> {
  return algorithm === "md5" ? md5OfFile(path) : legacyMd5OfFile(path);
}
