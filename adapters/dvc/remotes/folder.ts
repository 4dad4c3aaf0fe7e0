/**
 * A remote that is a folder of this host, often of a network file system. Objects get their mode, 0444, before they get
 * their name, so that whoever sees one sees all of it; DVC trusts the mode, and hashes an object of another one.
 */
import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { chmod, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { isFull, isMissing } from "../../file-faults.ts";
import { reflink, syncFile, syncFolder } from "../../files.ts";
import { folderMode, makeFolder } from "../../new-folder.ts";
import type { OnBytes } from "../../registry.ts";
import { eachOf } from "../../workers.ts";
import { WHOLE_MODE } from "../cache.ts";
import { md5OfFile } from "../digest.ts";
import { ofFolder, remoteFault } from "./faults.ts";
import { checkMd5, md5Of, type Remote } from "./remote.ts";

const CHUNK_BYTES = 1024 * 1024;
/** DVC's for `shared = group`. */
const GROUP_FOLDER_MODE = 0o2775;

export interface FolderSettings {
  readonly name: string;
  /** Absolute path. */
  readonly folder: string;
  /** Whether the group may write too (`shared = group`). */
  readonly isShared: boolean;
  readonly jobs: number;
}

export class FolderRemote implements Remote {
  readonly name: string;
  readonly place: string;
  readonly jobs: number;
  readonly #folder: string;
  readonly #isShared: boolean;
  #mode: Promise<number> | undefined;

  constructor({ name, folder, isShared, jobs }: FolderSettings) {
    this.name = name;
    this.place = folder;
    this.jobs = jobs;
    this.#folder = folder;
    this.#isShared = isShared;
  }

  async sizes(keys: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>();
    const look = async (key: string): Promise<void> => {
      const size = await this.#guarded(() => this.#wholeSize(key));
      if (size !== undefined) found.set(key, size);
    };
    await eachOf(keys, this.jobs, look, signal);
    return found;
  }

  async send(
    key: string,
    path: string,
    md5: string | undefined,
    signal: AbortSignal,
    onBytes: OnBytes,
  ): Promise<void> {
    await this.#guarded(async () => {
      const target = join(this.#folder, key);
      const folder = dirname(target);
      this.#mode ??= this.#newFolderMode();
      await makeFolder(folder, await this.#mode);
      // DVC's own name for what is under way, so that its tools know it too.
      const temp = join(folder, `${randomUUID().replaceAll("-", "")}.tmp`);
      try {
        await copy(path, temp, signal, onBytes);
        if (md5 !== undefined) await checkMd5(temp, md5);
        await syncFile(temp);
        await chmod(temp, WHOLE_MODE);
        await rename(temp, target);
      } finally {
        await rm(temp, { force: true });
      }
      await syncFolder(folder);
    });
  }

  async fetch(key: string, path: string, signal: AbortSignal, onBytes: OnBytes): Promise<boolean> {
    try {
      await copy(join(this.#folder, key), path, signal, onBytes);
      return true;
    } catch (error) {
      if (!isMissing(error)) throw this.#ours(error, path);
    }
    await this.#mustBeThere();
    return false;
  }

  close(): void {
    // Nothing is held between calls.
  }

  /** Undefined when there is none, or one that is not what its name says. */
  async #wholeSize(key: string): Promise<number | undefined> {
    const path = join(this.#folder, key);
    try {
      const { mode, size } = await stat(path);
      const expected = md5Of(key);
      if ((mode & 0o7777) === WHOLE_MODE || expected === undefined) return size;
      return (await md5OfFile(path)) === expected ? size : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async #newFolderMode(): Promise<number> {
    if (this.#isShared) return GROUP_FOLDER_MODE;
    for (let folder = this.#folder; ; folder = dirname(folder)) {
      const found = await stat(folder).catch(() => undefined);
      if (found !== undefined || folder === dirname(folder)) return folderMode(found?.mode ?? 0o755);
    }
  }

  /** What is not there at all is not mounted, more likely than empty. */
  async #mustBeThere(): Promise<void> {
    const found = await stat(this.#folder).catch(() => undefined);
    if (found?.isDirectory() === true) return;
    const mend = "Mount it, or mend the remote's url in .dvc/config.";
    throw remoteFault(this.name, `the folder ${this.#folder} does not exist`, mend);
  }

  /** A failure to write the file at `path`, which is not of the remote, stays as it is. */
  #ours(error: unknown, path: string): unknown {
    const isOther = error instanceof Error && "path" in error && error.path === path;
    return isOther || isFull(error) ? error : ofFolder(this.name, this.#folder, error);
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw ofFolder(this.name, this.#folder, error);
    }
  }
}

/** Copies to the new file `to`: by sharing blocks where the file system can. */
async function copy(from: string, to: string, signal: AbortSignal, onBytes: OnBytes): Promise<void> {
  signal.throwIfAborted();
  const { size } = await stat(from);
  if (await reflink(from, to)) return onBytes(size, size);
  const source = createReadStream(from, { highWaterMark: CHUNK_BYTES });
  let done = 0;
  source.on("data", (chunk) => {
    done += chunk.length;
    onBytes(done, size);
  });
  await pipeline(source, createWriteStream(to, { flags: "wx", mode: 0o600 }), { signal });
}
