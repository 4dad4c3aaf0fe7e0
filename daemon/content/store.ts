/**
 * The content store: files by the SHA-256 of their bytes, under `content/sha256/ab/cdef...` of the state folder.
 *
 * Architecture Invariant: a file gets its name only after its bytes are on disk, and is never changed again (mode 0400).
 */
import { randomUUID } from "node:crypto";
import { chmod, link, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { copyHashed, type Digest, ensureFolder, hashAndSync, syncFolder } from "@pipekit/adapters/files";
import { SourceUnreadable } from "@pipekit/adapters/registry";
import type { ArtifactFile } from "@pipekit/proto";
import { checkClientPath } from "./staging.ts";
import { type FoundFile, findFiles, unreadable } from "./walk.ts";

export interface ContentStore {
  /**
   * Takes in a file or folder and returns its files, sorted by path (empty path for a single file). With `staged` the
   * path must lie in the staging folder; its blocks are shared rather than copied, and the caller removes it once the
   * record of it is durable.
   * Throws PipekitError ARTIFACT_UNREADABLE (names the path), INVALID_ARGUMENT (not absolute, staged elsewhere).
   */
  ingest(path: string, options: { readonly staged: boolean }, signal: AbortSignal): Promise<ArtifactFile[]>;
  /** Absolute path of the read-only file with this digest (64 lowercase hex digits), whether it is there or not. */
  pathOf(sha256: string): string;
}

const STALE_MS = 24 * 60 * 60 * 1000;
const FILES_AT_ONCE = 4;

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

  constructor(folder: string, temp: string, staging: string) {
    this.#folder = folder;
    this.#temp = temp;
    this.#staging = staging;
  }

  pathOf(sha256: string): string {
    return join(this.#folder, "sha256", sha256.slice(0, 2), sha256.slice(2));
  }

  async ingest(
    path: string,
    options: { readonly staged: boolean },
    signal: AbortSignal,
  ): Promise<ArtifactFile[]> {
    const checked = await checkClientPath(path, options.staged, this.#staging, "path");
    const { files, linked } = await findFiles(checked, signal);
    // Of two names of one file the second would find nothing after the first was taken.
    const take = options.staged && !linked;
    const changedFolders = new Set<string>();
    const ingested = await mapAtOnce(files, FILES_AT_ONCE, async (file) => {
      signal.throwIfAborted();
      const digest = await this.#ingestFile(file, take, changedFolders, signal);
      return { path: file.path, ...digest };
    });
    for (const folder of changedFolders) await syncFolder(folder);
    return ingested;
  }

  async #ingestFile(
    file: FoundFile,
    take: boolean,
    changedFolders: Set<string>,
    signal: AbortSignal,
  ): Promise<Digest> {
    const temp = join(this.#temp, randomUUID());
    try {
      const digest =
        (take && (await this.#moved(file.source, temp, signal))) ||
        (await copyHashed(file.source, temp, signal));
      const target = this.pathOf(digest.sha256);
      const there = await stat(target).catch(() => undefined);
      if (there?.size !== digest.size) {
        await chmod(temp, 0o400);
        await ensureFolder(dirname(target));
        await rename(temp, target);
      }
      // Also when it was there: another call may have renamed it and not come to its sync yet.
      changedFolders.add(dirname(target));
      return digest;
    } catch (error) {
      throw error instanceof SourceUnreadable ? unreadable(error.path, error.reason, error) : error;
    } finally {
      await rm(temp, { force: true });
    }
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
