/**
 * The content store: files by the SHA-256 of their bytes, under `content/sha256/ab/cdef...` of the state folder.
 *
 * Architecture Invariant: a file gets its name only after its bytes are on disk, and is never changed again (mode 0400).
 */
import { randomUUID } from "node:crypto";
import { chmod, link, lstat, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { copyHashed, type Digest, ensureFolder, hashAndSync, syncFolder } from "@pipekit/adapters/files";
import { SourceUnreadable } from "@pipekit/adapters/registry";
import type { ArtifactFile } from "@pipekit/proto";
import { type Hold, Holds } from "./holds.ts";
import { checkClientPath } from "./staging.ts";
import { type FoundFile, findFiles, unreadable } from "./walk.ts";

export interface ContentStore {
  /**
   * Takes in a file or folder and returns its files, sorted by path (empty path for a single file). With `staged` the
   * path must lie in the staging folder; its blocks are shared rather than copied, and the caller removes it once the
   * record of it is durable. The files are safe from a sweep until `hold` is released, else only when a record that is
   * journaled names them.
   * Throws PipekitError ARTIFACT_UNREADABLE (names the path), INVALID_ARGUMENT (not absolute, staged elsewhere).
   */
  ingest(
    path: string,
    options: { readonly staged: boolean; readonly hold?: Hold },
    signal: AbortSignal,
  ): Promise<ArtifactFile[]>;
  /**
   * Takes in a file of another content store, verified against its digest; its blocks are shared where that is safe.
   * Throws PipekitError ARTIFACT_UNREADABLE (missing, or not what its digest says).
   */
  adopt(
    file: Pick<ArtifactFile, "sha256" | "size">,
    source: string,
    hold: Hold,
    signal: AbortSignal,
  ): Promise<void>;
  /** Keeps what is taken in under it safe from `sweep`, until it is released. */
  hold(): Hold;
  /**
   * Removes every file that `inUse` does not name and that no hold protects; returns what was freed. `inUse` is asked
   * after the sweep has begun. An abort stops it between two files. One sweep at a time; a second waits.
   */
  sweep(
    inUse: () => Promise<ReadonlySet<string>>,
    signal: AbortSignal,
  ): Promise<{ readonly files: number; readonly bytes: number }>;
  /** Runs `work` while no sweep is under way. */
  unswept<T>(work: () => Promise<T>): Promise<T>;
  /** Bytes of all files. */
  bytes(): Promise<number>;
  /** Absolute path of the read-only file with this digest (64 lowercase hex digits), whether it is there or not. */
  pathOf(sha256: string): string;
}

const STALE_MS = 24 * 60 * 60 * 1000;
const FILES_AT_ONCE = 4;
const FOLDER_NAME = /^[0-9a-f]{2}$/;
const FILE_NAME = /^[0-9a-f]{62}$/;

/** Opens the store in a state folder, with `content/` and `staging/` in it made as needed. */
export async function openContentStore(options: { stateFolder: string }): Promise<ContentStore> {
  const folder = join(options.stateFolder, "content");
  const staging = join(options.stateFolder, "staging");
  const temp = join(folder, "tmp");
  await ensureFolder(temp);
  await ensureFolder(staging);
  for (const name of await readdir(temp)) {
    const path = join(temp, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > STALE_MS) await rm(path, { force: true });
  }
  return new FileContentStore(folder, temp, staging);
}

class FileContentStore implements ContentStore {
  readonly #folder: string;
  readonly #temp: string;
  readonly #staging: string;
  readonly #holds = new Holds();
  #sweeps: Promise<unknown> = Promise.resolve();
  /** Counted once and kept up to date from then on. */
  #bytes: Promise<number> | undefined;

  constructor(folder: string, temp: string, staging: string) {
    this.#folder = folder;
    this.#temp = temp;
    this.#staging = staging;
  }

  pathOf(sha256: string): string {
    return join(this.#folder, "sha256", sha256.slice(0, 2), sha256.slice(2));
  }

  hold(): Hold {
    return this.#holds.hold();
  }

  async ingest(
    path: string,
    options: { readonly staged: boolean; readonly hold?: Hold },
    signal: AbortSignal,
  ): Promise<ArtifactFile[]> {
    const checked = await checkClientPath(path, options.staged, this.#staging, "path");
    const { files, linked } = await findFiles(checked, signal);
    // Of two names of one file the second would find nothing after the first was taken.
    const take = options.staged && !linked;
    const changedFolders = new Set<string>();
    const ingested = await mapAtOnce(files, FILES_AT_ONCE, async (file) => {
      signal.throwIfAborted();
      const digest = await this.#ingestFile(file, take, options.hold, changedFolders, signal);
      return { path: file.path, ...digest };
    });
    for (const folder of changedFolders) await syncFolder(folder);
    return ingested;
  }

  async #ingestFile(
    file: FoundFile,
    take: boolean,
    hold: Hold | undefined,
    changedFolders: Set<string>,
    signal: AbortSignal,
  ): Promise<Digest> {
    const temp = join(this.#temp, randomUUID());
    try {
      const digest =
        (take && (await this.#moved(file.source, temp, signal))) ||
        (await copyHashed(file.source, temp, signal));
      await this.#place(temp, digest, hold, changedFolders);
      return digest;
    } catch (error) {
      throw error instanceof SourceUnreadable ? unreadable(error.path, error.reason, error) : error;
    } finally {
      await rm(temp, { force: true });
    }
  }

  async adopt(
    file: Pick<ArtifactFile, "sha256" | "size">,
    source: string,
    hold: Hold,
    signal: AbortSignal,
  ): Promise<void> {
    const changedFolders = new Set<string>();
    await hold.add(file.sha256);
    const there = await stat(this.pathOf(file.sha256)).catch(() => undefined);
    if (there?.size === file.size) return;
    const temp = join(this.#temp, randomUUID());
    try {
      const digest =
        ((await isOwnReadOnly(source)) && (await this.#moved(source, temp, signal))) ||
        (await copyHashed(source, temp, signal));
      if (digest.sha256 !== file.sha256) throw unreadable(source, "it is not what its digest says");
      await this.#place(temp, digest, hold, changedFolders);
      for (const folder of changedFolders) await syncFolder(folder);
    } catch (error) {
      throw error instanceof SourceUnreadable ? unreadable(error.path, error.reason, error) : error;
    } finally {
      await rm(temp, { force: true });
    }
  }

  sweep(
    inUse: () => Promise<ReadonlySet<string>>,
    signal: AbortSignal,
  ): Promise<{ readonly files: number; readonly bytes: number }> {
    return this.unswept(() => this.#holds.sweeping(() => this.#sweep(inUse, signal)));
  }

  unswept<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#sweeps.then(work);
    this.#sweeps = done.catch(() => undefined);
    return done;
  }

  async #sweep(
    inUse: () => Promise<ReadonlySet<string>>,
    signal: AbortSignal,
  ): Promise<{ readonly files: number; readonly bytes: number }> {
    const named = await inUse();
    const freed = { files: 0, bytes: 0 };
    for await (const { sha256, size } of this.#files()) {
      if (signal.aborted) break;
      if (named.has(sha256)) continue;
      if (!(await this.#holds.removeUnlessHeld(sha256, () => rm(this.pathOf(sha256), { force: true }))))
        continue;
      freed.files++;
      freed.bytes += size;
      this.#grew(-size);
    }
    return freed;
  }

  bytes(): Promise<number> {
    this.#bytes ??= this.#count().catch((error: unknown) => {
      this.#bytes = undefined;
      throw error;
    });
    return this.#bytes;
  }

  async #count(): Promise<number> {
    let bytes = 0;
    for await (const { size } of this.#files()) bytes += size;
    return bytes;
  }

  #grew(bytes: number): void {
    this.#bytes = this.#bytes?.then((sum) => sum + bytes);
  }

  async *#files(): AsyncGenerator<Digest> {
    const root = join(this.#folder, "sha256");
    for (const start of await readdir(root).catch(() => [])) {
      if (!FOLDER_NAME.test(start)) continue;
      for (const rest of await readdir(join(root, start))) {
        if (!FILE_NAME.test(rest)) continue;
        const found = await lstat(join(root, start, rest)).catch(() => undefined);
        if (found?.isFile()) yield { sha256: start + rest, size: found.size };
      }
    }
  }

  /** Gives a file among the temporary ones its name, unless one is there. */
  async #place(
    temp: string,
    digest: Digest,
    hold: Hold | undefined,
    changedFolders: Set<string>,
  ): Promise<void> {
    const target = this.pathOf(digest.sha256);
    await hold?.add(digest.sha256);
    const there = await stat(target).catch(() => undefined);
    if (there?.size !== digest.size) {
      await chmod(temp, 0o400);
      await ensureFolder(dirname(target));
      await rename(temp, target);
      this.#grew(digest.size);
    }
    // Also when it was there: another call may have renamed it and not come to its sync yet.
    changedFolders.add(dirname(target));
  }

  /**
   * Gives a staged file a second name among the temporary ones and hashes it; undefined when it lies on another file
   * system. Its first name stays, so that the call can be repeated until the caller removes it.
   */
  async #moved(source: string, temp: string, signal: AbortSignal): Promise<Digest | undefined> {
    try {
      await link(source, temp);
    } catch {
      return undefined;
    }
    return hashAndSync(temp, signal);
  }
}

/** Whether nobody else can change a file: only then its blocks may be shared. */
async function isOwnReadOnly(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isFile() === true && found.uid === process.getuid?.() && (found.mode & 0o222) === 0;
}

/** Maps with at most `width` running; on a failure no more are started and those that run are waited for. */
async function mapAtOnce<T, R>(
  items: readonly T[],
  width: number,
  map: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  let failed = false;
  const work = async (): Promise<void> => {
    while (!failed && next < items.length) {
      const index = next++;
      try {
        results[index] = await map(items[index] as T);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: width }, work));
  const fault = workers.find((worker) => worker.status === "rejected");
  if (fault !== undefined) throw fault.reason;
  return results;
}
