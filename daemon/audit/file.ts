/** The file that the audit log grows in. */
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { LogFile } from "./files.ts";

const datasync = promisify(fdatasync);

/** Appends whole lines. Writes are synchronous: a line that was written outlives a `kill -9` of the process. */
export class GrowingFile {
  readonly name: string;
  readonly #path: string;
  readonly #fd: number;
  readonly #inode: bigint;
  #length: number;
  #synced: Promise<void> | undefined;
  #waiting: Promise<void> | undefined;

  /** Opens a file and cuts it to `length`; one of length 0 may be new. Throws faults of the file system. */
  constructor(file: LogFile, length: number) {
    const { O_APPEND, O_WRONLY, O_CREAT, O_NOFOLLOW } = constants;
    this.name = file.name;
    this.#path = file.path;
    this.#fd = openSync(file.path, O_APPEND | O_WRONLY | O_NOFOLLOW | (length === 0 ? O_CREAT : 0), 0o600);
    const stats = fstatSync(this.#fd, { bigint: true });
    this.#inode = stats.ino;
    if (stats.size !== BigInt(length)) ftruncateSync(this.#fd, length);
    this.#length = length;
    if (length === 0) syncFolder(dirname(file.path));
  }

  get length(): number {
    return this.#length;
  }

  /** Whether someone removed, replaced or changed it. */
  get isForeign(): boolean {
    const stats = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
    return stats === undefined || stats.ino !== this.#inode || stats.size !== BigInt(this.#length);
  }

  /** Writes a line and its end, all of it or nothing. Throws faults of the file system. */
  write(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#fd, bytes, written);
    } catch (error) {
      ftruncateSync(this.#fd, this.#length);
      throw error;
    }
    this.#length += bytes.length;
  }

  /** Resolves when what was written is on the disk; calls at one time share a sync. Throws faults of the file system. */
  async sync(): Promise<void> {
    if (this.#synced === undefined) return this.#begin();
    // What runs may have begun before the last line.
    this.#waiting ??= this.#synced.catch(() => undefined).then(() => this.#begin());
    return this.#waiting;
  }

  /** Closes it once what was written is on the disk. */
  close(): void {
    const close = () => closeSync(this.#fd);
    this.sync().then(close, close);
  }

  #begin(): Promise<void> {
    this.#waiting = undefined;
    this.#synced = datasync(this.#fd).finally(() => {
      this.#synced = undefined;
    });
    return this.#synced;
  }
}

function syncFolder(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
