/** The files of a backup that is being made, in a folder beside its name. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { link, rm } from "node:fs/promises";
import { join } from "node:path";
import { copyHashed, hashFile, writeDurably } from "@pipekit/adapters/files";
import { SourceUnreadable } from "@pipekit/adapters/registry";
import { eachOf } from "@pipekit/adapters/workers";
import type { BackupFile } from "./form.ts";
import { sumLine } from "./sums.ts";
import { NewFolders, sizeOf, type TreeFile } from "./tree.ts";

const FILES_AT_ONCE = 4;

/** How far the files are. */
export interface FilesDone {
  readonly files: number;
  readonly filesTotal: number;
  readonly bytes: number;
  readonly bytesTotal: number;
}

export class Packing {
  readonly #folder: string;
  readonly #signal: AbortSignal;
  readonly #onFiles: (done: FilesDone) => void;
  readonly #files: BackupFile[] = [];
  readonly #folders: NewFolders;
  linked = 0;

  /** `folder` is new and empty. */
  constructor(folder: string, signal: AbortSignal, onFiles: (done: FilesDone) => void) {
    this.#folder = folder;
    this.#signal = signal;
    this.#onFiles = onFiles;
    this.#folders = new NewFolders(folder);
  }

  get files(): number {
    return this.#files.length;
  }

  get bytes(): number {
    return this.#files.reduce((sum, { size }) => sum + size, 0);
  }

  pathOf(path: string): string {
    return join(this.#folder, path);
  }

  digestOf(path: string): string {
    return this.#files.find((file) => file.path === path)?.sha256 ?? "";
  }

  /** Lines of SHA256SUMS. */
  sums(): string {
    return this.#files.map(({ sha256, path }) => sumLine(sha256, path)).join("");
  }

  /** A file that lies in its place. */
  add(file: BackupFile): void {
    this.#files.push(file);
  }

  /** Copies a file; one that is gone is left out. */
  async copy(source: string, path: string): Promise<void> {
    const target = await this.#place(path);
    try {
      this.add({ path, ...(await copyHashed(source, target, this.#signal)) });
    } catch (error) {
      if (!(error instanceof SourceUnreadable) || existsSync(source)) throw error;
      await rm(target, { force: true });
    }
  }

  async write(path: string, bytes: Buffer): Promise<void> {
    await writeDurably(await this.#place(path), bytes);
    this.add({ path, sha256: createHash("sha256").update(bytes).digest("hex"), size: bytes.length });
  }

  /** Files that are never changed: another name where the disk is the same, else a copy. Every one is read. */
  async linkAll(files: readonly TreeFile[], check: (file: BackupFile) => void): Promise<void> {
    const sizes = await Promise.all(files.map(({ source }) => sizeOf(source)));
    const bytesTotal = sizes.reduce((sum, size) => sum + size, 0);
    let [count, bytes] = [0, 0];
    const done: BackupFile[] = [];
    const pack = async ({ path, source }: TreeFile, signal: AbortSignal): Promise<void> => {
      const target = await this.#place(path);
      const isLinked = await link(source, target).then(
        () => true,
        () => false,
      );
      const digest = isLinked ? await hashFile(target, signal) : await copyHashed(source, target, signal);
      if (isLinked) this.linked++;
      const file = { path, ...digest };
      check(file);
      done.push(file);
      bytes += digest.size;
      this.#onFiles({ files: ++count, filesTotal: files.length, bytes, bytesTotal });
    };
    await eachOf(files, FILES_AT_ONCE, pack, this.#signal);
    for (const file of done.sort((a, b) => (a.path < b.path ? -1 : 1))) this.add(file);
  }

  /** Makes every name in it durable. */
  async sync(): Promise<void> {
    await this.#folders.sync(this.#signal);
  }

  async #place(path: string): Promise<string> {
    const target = this.pathOf(path);
    await this.#folders.makeFor(target);
    return target;
  }
}
