/**
 * The files of the cache of weights: `weights/<first 2 hex digits of SHA-256>/<SHA-256>`, read-only, whole since they have
 * that name, and what is still being fetched: `weights/tmp/<pid>-<process>-<uuid>`.
 */
import { randomUUID } from "node:crypto";
import type { Stats } from "node:fs";
import { chmod, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ensureFolder, syncFolder } from "@pipekit/adapters/files";
import type { FileMemory } from "./memory.ts";

const MODE = 0o400;
/** Tells this process from an earlier one of the same pid, as containers have them. */
const PROCESS = randomUUID().slice(0, 8);

export interface CachedFile {
  readonly sha256: string;
  readonly path: string;
  readonly bytes: number;
  /** Unix milliseconds, to a minute. */
  readonly usedAtMs: number;
}

export class WeightsFolder {
  /** Absolute path. */
  readonly path: string;
  readonly #temp: string;
  readonly #memory: FileMemory;

  constructor(path: string, memory: FileMemory) {
    this.path = path;
    this.#temp = join(path, "tmp");
    this.#memory = memory;
  }

  /** Makes the folder where it is missing: people remove a cache, also while it is in use. */
  async ensure(): Promise<void> {
    await mkdir(this.#temp, { recursive: true, mode: 0o700 });
  }

  /** Removes what processes that are gone have not finished. */
  async tidy(): Promise<void> {
    for (const name of await readdir(this.#temp)) {
      if (!isBeingWritten(name)) await rm(join(this.#temp, name), { force: true });
    }
  }

  pathOf(sha256: string): string {
    return join(this.path, sha256.slice(0, 2), sha256);
  }

  /** Path of a new file that is removed if this process dies before it is kept. */
  newTemp(): string {
    return join(this.#temp, `${process.pid}-${PROCESS}-${randomUUID()}`);
  }

  /** Gives a temporary file that has this digest its name, with `durable` for good. */
  async keep(temp: string, sha256: string, durable: boolean): Promise<string> {
    const path = this.pathOf(sha256);
    await chmod(temp, MODE);
    if (durable) await ensureFolder(dirname(path));
    else await mkdir(dirname(path), { recursive: true });
    await rename(temp, path);
    if (durable) await syncFolder(dirname(path));
    return path;
  }

  async remove(sha256: string): Promise<void> {
    const path = this.pathOf(sha256);
    await rm(path, { force: true });
    await this.#memory.forget(path);
  }

  /** All whole files, the one not used for longest first. */
  async files(): Promise<CachedFile[]> {
    await this.#memory.reload();
    const files: CachedFile[] = [];
    for (const folder of await readdir(this.path).catch(() => [])) {
      if (!/^[0-9a-f]{2}$/.test(folder)) continue;
      for (const sha256 of await readdir(join(this.path, folder)).catch(() => [])) {
        const path = this.pathOf(sha256);
        const found = await stat(path).catch((): Stats | undefined => undefined);
        if (!/^[0-9a-f]{64}$/.test(sha256) || found === undefined) continue;
        const usedAtMs = (await this.#memory.find(path))?.usedAtMs ?? found.mtimeMs;
        files.push({ sha256, path, bytes: found.size, usedAtMs });
      }
    }
    return files.sort((a, b) => a.usedAtMs - b.usedAtMs);
  }
}

function isBeingWritten(name: string): boolean {
  const [pid = "", owner] = name.split("-");
  if (Number(pid) === process.pid) return owner === PROCESS;
  try {
    return process.kill(Number(pid), 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
