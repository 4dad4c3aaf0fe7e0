/**
 * A lock shared by every process that uses one folder.
 *
 * It is the exclusive lock of an empty SQLite file, which is a POSIX record lock beneath: the kernel frees it when its
 * holder dies, however it dies, so there is no stale lock to detect and no clock to trust (a lock made by link() needs
 * both). Nothing else may open the file: closing any descriptor of it would drop the lock.
 */
import { chmodSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";

const SQLITE_BUSY = 5;
/** Holders work for milliseconds; one that is stopped must not stop all others for ever. */
const PATIENCE_MS = 30_000;

export class FolderLock {
  readonly #path: string;
  readonly #file: DatabaseSync;
  #last: Promise<void> = Promise.resolve();

  /** `mode` of the file: who may write it may take the lock. */
  constructor(path: string, mode: number) {
    this.#path = path;
    this.#file = new DatabaseSync(path, { timeout: 0 });
    try {
      chmodSync(path, mode);
    } catch {
      // Another user's: he has given it the mode.
    }
  }

  /** Runs `work` alone among all processes. Waiters of this process queue in order. */
  async hold<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    try {
      await this.#acquire(signal);
      try {
        return await work();
      } finally {
        this.#file.exec("COMMIT");
      }
    } finally {
      resolve();
    }
  }

  close(): void {
    this.#file.close();
  }

  async #acquire(signal: AbortSignal): Promise<void> {
    const giveUpAt = performance.now() + PATIENCE_MS;
    for (let delay = 1; ; delay = Math.min(delay * 2, 16)) {
      signal.throwIfAborted();
      if (this.#tryAcquire()) return;
      if (performance.now() > giveUpAt) {
        throw new Error(`Another process has held the lock ${this.#path} for ${PATIENCE_MS / 1000} s.`);
      }
      await setTimeout(delay * (0.5 + Math.random()), undefined, { signal });
    }
  }

  #tryAcquire(): boolean {
    try {
      this.#file.exec("BEGIN EXCLUSIVE");
      return true;
    } catch (error) {
      if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) return false;
      throw error;
    }
  }
}
