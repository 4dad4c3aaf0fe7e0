/**
 * How files get from the cache to where they are used: as reflinks, hard links, symbolic links or copies, whichever of the
 * settings' choices the file system can. A file appears whole: it is made under another name, then renamed.
 */

import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { chmod, copyFile, link, rename, rm, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DatasetFault } from "../dataset.ts";
import type { LinkType } from "./config.ts";
import { isSameStamp, type Stamp } from "./digest-file.ts";
import { stampAt } from "./tree.ts";

/** What begins the names of temporary files in `.dvc/tmp`; whoever holds the repository's lock may remove them. */
export const TEMP_PREFIX = "pkx-";

/** What the system says of a kind of link that it cannot make here, so that the next is tried (dvc_objects/fs/generic.py). */
const CANNOT: ReadonlySet<unknown> = new Set([
  "EPERM",
  "ENOTSUP",
  "EOPNOTSUPP",
  "EXDEV",
  "ENOTTY",
  "ENOSYS",
  "EINVAL",
  "EAGAIN",
  "EMLINK",
]);

export interface LinkerOptions {
  readonly types: readonly LinkType[];
  /** Folder for files that are being made. */
  readonly tempFolder: string;
  /** Mode of copies. */
  readonly fileMode: number;
}

/** Makes links; a kind that failed once is not tried again. */
export class Linker {
  readonly #tempFolder: string;
  readonly #fileMode: number;
  #types: readonly LinkType[];
  #tempsElsewhere = false;

  constructor({ types, tempFolder, fileMode }: LinkerOptions) {
    this.#types = types;
    this.#tempFolder = tempFolder;
    this.#fileMode = fileMode;
  }

  /** The kind that is tried first. */
  get type(): LinkType | undefined {
    return this.#types[0];
  }

  /**
   * Makes `target` the object that lies at `source`, instead of the file that may be there. An executable file is a copy,
   * since a link would share its mode with the object. Returns its stamp; undefined when somebody wrote to it already.
   * Throws DatasetFault `invalid` when no kind of link is possible.
   */
  async place(
    source: string,
    target: string,
    { size, isExecutable = false }: Placing,
  ): Promise<Stamp | undefined> {
    const temp = this.#tempFor(target);
    try {
      await this.#make(source, temp, isExecutable, size);
      const made = await this.#rename(temp, target);
      const stamp = stampAt(target);
      return isSameStamp(stamp, { ...made, changedNs: stamp.changedNs }) ? stamp : undefined;
    } finally {
      await rm(temp, { force: true });
    }
  }

  async #make(source: string, temp: string, isExecutable: boolean, size: number): Promise<void> {
    for (const type of isExecutable ? (["reflink", "copy"] as const) : [...this.#types]) {
      try {
        await makeLink(type, source, temp, size);
        const isOwnFile = type === "reflink" || type === "copy" || (type === "hardlink" && size === 0);
        if (isOwnFile) await chmod(temp, this.#fileMode | (isExecutable ? 0o100 : 0));
        return;
      } catch (error) {
        if (!(error instanceof Error && "code" in error && CANNOT.has(error.code))) throw error;
        await rm(temp, { force: true });
        if (!isExecutable) this.#types = this.#types.filter((other) => other !== type);
      }
    }
    throw new DatasetFault(
      "invalid",
      `None of the link types of cache.type is possible at ${dirname(temp)}.`,
      {
        field: "cache.type",
        mend: "Allow copies: `dvc config cache.type reflink,copy`.",
      },
    );
  }

  /** Returns the stamp from before. */
  async #rename(temp: string, target: string): Promise<Stamp> {
    try {
      const made = stampAt(temp);
      await rename(temp, target);
      return made;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EXDEV")) throw error;
      this.#tempsElsewhere = true;
      const beside = this.#tempFor(target);
      try {
        await copyFile(temp, beside);
        const made = stampAt(beside);
        await rename(beside, target);
        return made;
      } finally {
        await rm(beside, { force: true });
      }
    }
  }

  /** In the repository's own folder, unless the target is on another file system. */
  #tempFor(target: string): string {
    const name = TEMP_PREFIX + randomUUID();
    return this.#tempsElsewhere
      ? join(dirname(target), `.${basename(target).slice(0, 32)}.${name}`)
      : join(this.#tempFolder, name);
  }
}

export interface Placing {
  /** Bytes of the object. */
  readonly size: number;
  readonly isExecutable?: boolean;
}

async function makeLink(type: LinkType, source: string, temp: string, size: number): Promise<void> {
  if (type === "reflink") await copyFile(source, temp, constants.COPYFILE_FICLONE_FORCE);
  else if (type === "copy") await copyFile(source, temp, constants.COPYFILE_EXCL);
  else if (type === "symlink") await symlink(source, temp);
  // As DVC: all empty files of a disk would be one, which has no room for so many names.
  else if (size === 0) await writeFile(temp, "", { flag: "wx" });
  else await link(source, temp);
}
