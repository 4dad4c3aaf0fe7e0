/** Keeps the cache of weights below its limit: what was not used for longest goes first. */
import { statfs } from "node:fs/promises";
import { KeyedMutex } from "@pipekit/adapters/keyed-mutex";
import { USE_GRAIN_MS } from "./memory.ts";
import { NoRoom } from "./no-room.ts";
import type { WeightsFolder } from "./weights-folder.ts";

/** A file that was handed out stays this long at least, milliseconds: whoever got its path may not have opened it yet. */
export const HANDED_OUT_MS = 10 * 60_000;

/** Room for one file; exactly one of the two is called once. */
export interface Reservation {
  /** The file is in the cache now. */
  taken(): void;
  /** It will not come. */
  dropped(): void;
}

export class Room {
  readonly #folder: WeightsFolder;
  readonly #limitBytes: number;
  readonly #mutex = new KeyedMutex();
  /** Bytes of the files in the cache, as far as this process knows. */
  #bytes: number | undefined;
  /** Bytes of the files that are on their way into it. */
  #reserved = 0;

  /** `limitBytes` 0 for no cache. */
  constructor(folder: WeightsFolder, limitBytes: number) {
    this.#folder = folder;
    this.#limitBytes = limitBytes;
  }

  /** Makes room for a file of `size` bytes. Throws NoRoom. */
  async reserve(size: number): Promise<Reservation> {
    await this.#mutex.run("", () => this.#makeRoom(size));
    this.#reserved += size;
    return {
      taken: () => {
        this.#reserved -= size;
        this.#bytes = (this.#bytes ?? 0) + size;
      },
      dropped: () => {
        this.#reserved -= size;
      },
    };
  }

  async #makeRoom(size: number): Promise<void> {
    if (size > this.#limitBytes || this.#limitBytes === 0) throw this.#noRoom(size, this.#limitBytes);
    this.#bytes ??= sum(await this.#folder.files());
    const wanted = this.#reserved + size;
    if (this.#bytes + wanted <= (await this.#limit(this.#bytes))) return;
    // Others may have added and removed files.
    const files = await this.#folder.files();
    let bytes = sum(files);
    const limit = await this.#limit(bytes);
    const before = Date.now() - HANDED_OUT_MS - USE_GRAIN_MS;
    for (const file of files) {
      if (bytes + wanted <= limit || file.usedAtMs > before) break;
      await this.#folder.remove(file.sha256);
      bytes -= file.bytes;
    }
    this.#bytes = bytes;
    if (bytes + wanted > limit) throw this.#noRoom(size, limit);
  }

  /** Never more than half of what the disk would have without the cache. */
  async #limit(bytes: number): Promise<number> {
    const { bavail, bsize } = await statfs(this.#folder.path);
    return Math.min(this.#limitBytes, (bytes + bavail * bsize) / 2);
  }

  #noRoom(size: number, limit: number): NoRoom {
    const gb = (bytes: number): string => `${(bytes / 1e9).toFixed(3)} GB`;
    const full = limit < this.#limitBytes;
    return new NoRoom(
      `The cache of weights has no room for ${gb(size)}: it may have ${gb(limit)}.`,
      full
        ? `Free space on the disk of ${this.#folder.path}.`
        : "Raise `cache_gb` in the daemon's config file, or wait until models that were just loaded may go.",
    );
  }
}

function sum(files: readonly { readonly bytes: number }[]): number {
  return files.reduce((bytes, file) => bytes + file.bytes, 0);
}
