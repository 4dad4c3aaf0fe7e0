/**
 * The bytes of a body on their way to their place in a file: gathered to large writes, since each write costs as much as
 * its bytes, and the next gathered while the last is under way.
 */
import type { FileHandle } from "node:fs/promises";

const WRITE_BYTES = 1024 * 1024;

export class Placing {
  readonly #handle: FileHandle;
  readonly #onWritten: (position: number, length: number) => void;
  #position: number;
  #gathered: Buffer[] = [];
  #length = 0;
  #writing: Promise<void> = Promise.resolve();

  /** From `position` on. `onWritten` is told of each write that is done, in order. */
  constructor(handle: FileHandle, position: number, onWritten: (position: number, length: number) => void) {
    this.#handle = handle;
    this.#position = position;
    this.#onWritten = onWritten;
  }

  /** Takes the next bytes; waits while two writes' worth of them lie in memory. */
  async take(chunk: Buffer): Promise<void> {
    this.#gathered.push(chunk);
    this.#length += chunk.length;
    if (this.#length >= WRITE_BYTES) await this.#begin();
  }

  /** Writes the rest. Nothing is under way when it has ended, also by an error. */
  async finish(): Promise<void> {
    await this.#begin();
    await this.#writing;
  }

  async #begin(): Promise<void> {
    await this.#writing;
    if (this.#length === 0) return;
    const [chunks, position, length] = [this.#gathered, this.#position, this.#length];
    [this.#gathered, this.#length] = [[], 0];
    this.#position += length;
    this.#writing = writeAll(this.#handle, chunks, position).then(() => this.#onWritten(position, length));
    // It is awaited before the next one; until then a rejection is not an unhandled one.
    this.#writing.catch(() => undefined);
  }
}

async function writeAll(handle: FileHandle, chunks: readonly Buffer[], position: number): Promise<void> {
  const { bytesWritten } = await handle.writev(chunks, position);
  let before = 0;
  for (const chunk of chunks) {
    // Seldom is only a part of it written.
    for (let done = Math.max(0, bytesWritten - before); done < chunk.length; ) {
      done += (await handle.write(chunk, done, chunk.length - done, position + before + done)).bytesWritten;
    }
    before += chunk.length;
  }
}
