/**
 * The digest of a file that is still being written: hashed as far as it is whole, so that little is left to do in the end.
 * It reads what was written just now, which the system still has in memory.
 */

import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import type { Digest } from "@pipekit/adapters/files";
import type { OnBytes } from "@pipekit/adapters/registry";

const CHUNK_BYTES = 1024 * 1024;

export class Follower {
  readonly #path: string;
  readonly #hash = createHash("sha256");
  readonly #buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #handle: FileHandle | undefined;
  #hashed = 0;
  #there = 0;
  #running: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Whether it was told of any bytes. */
  get follows(): boolean {
    return this.#there > 0;
  }

  /** So many bytes of the file are there for good. */
  upTo(bytes: number): void {
    this.#there = bytes;
    if (this.#running !== undefined) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
    // A failure is met again by `digest`, which goes on from there.
    this.#running.catch(() => undefined);
  }

  /** Of all bytes that are there; `onBytes` is told how many of them are hashed. */
  async digest(signal: AbortSignal, onBytes?: OnBytes): Promise<Digest> {
    await this.#running?.catch(() => undefined);
    signal.throwIfAborted();
    onBytes?.(this.#hashed, this.#there);
    await this.#run((done) => {
      signal.throwIfAborted();
      onBytes?.(done, this.#there);
    });
    return { sha256: this.#hash.digest("hex"), size: this.#hashed };
  }

  /** Closes the file; what runs is waited for. */
  async close(): Promise<void> {
    this.#there = 0;
    await this.#running?.catch(() => undefined);
    await this.#handle?.close();
  }

  async #run(onHashed?: (done: number) => void): Promise<void> {
    this.#handle ??= await open(this.#path, "r");
    while (this.#hashed < this.#there) {
      const length = Math.min(CHUNK_BYTES, this.#there - this.#hashed);
      const { bytesRead } = await this.#handle.read(this.#buffer, 0, length, this.#hashed);
      // Somebody has cut the file; its digest will be wrong.
      if (bytesRead === 0) return;
      this.#hash.update(this.#buffer.subarray(0, bytesRead));
      this.#hashed += bytesRead;
      onHashed?.(this.#hashed);
    }
  }
}
