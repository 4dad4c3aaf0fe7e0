/**
 * A file that grows, and whose durable length is known: its writer keeps `length` (in the memo) and opens the file with
 * it again; what a crash left beyond it is cut. Behind that length may stand a tail, which the next write replaces: what
 * a reader should see already and the writer may still change. No descriptor is held between two calls, so that there may
 * be any number of such files.
 *
 * Architecture Invariant: a file has one holder in this process. A call of an earlier holder that hangs in the
 * operating system is waited for before the file is opened again, and an earlier holder writes no more.
 */
import { constants, type FileHandle, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { FileRefusal, isMissing } from "./file-faults.ts";
import { syncFolder } from "./files.ts";

/** How the file was found: as it was left, gone (or another one), or cut to `size` by someone else. */
export type Found = "whole" | "gone" | { readonly size: number };

/** Who writes a path, and the call to the operating system that has not come back. */
interface Hold {
  holder: AppendFile | undefined;
  pending: Promise<void> | undefined;
}

const holds = new Map<string, Hold>();

export class AppendFile {
  readonly path: string;
  readonly #hold: Hold;
  #inode = 0n;
  #length = 0;
  /** With the tail. */
  #size = 0;

  private constructor(path: string, hold: Hold) {
    this.path = path;
    this.#hold = hold;
  }

  /** Takes the file over, empty: makes it, or cuts what is there. The folder must exist. Throws faults of the file system. */
  static async create(path: string, signal: AbortSignal): Promise<AppendFile> {
    const file = await AppendFile.#take(path, signal);
    await file.#release(async () => {
      await file.#open(constants.O_CREAT, (handle) => file.#cutTo(handle, 0));
      await syncFolder(dirname(path));
    });
    return file;
  }

  /**
   * Takes over a file that was left with `length` bytes; what lies beyond is cut. A file that is gone or shorter is left
   * alone and told of. Throws faults of the file system.
   */
  static async resume(
    path: string,
    length: number,
    signal: AbortSignal,
  ): Promise<AppendFile | Exclude<Found, "whole">> {
    const file = await AppendFile.#take(path, signal);
    return await file.#release(async () => {
      const size = await sizeOf(path);
      if (size === undefined || size < length) {
        file.close();
        return size === undefined ? "gone" : { size };
      }
      await file.#open(0, (handle) => file.#cutTo(handle, length));
      return file;
    });
  }

  static async #take(path: string, signal: AbortSignal): Promise<AppendFile> {
    const hold = holds.get(path) ?? { holder: undefined, pending: undefined };
    await settled(hold.pending, signal);
    const file = new AppendFile(path, hold);
    hold.holder = file;
    holds.set(path, hold);
    return file;
  }

  /** Bytes that are durable, without the tail. */
  get length(): number {
    return this.#length;
  }

  /** Whether the file at the path is still this one, and as long as it was left. */
  async look(): Promise<Found> {
    try {
      const { ino, size } = await this.#alone(() => stat(this.path, { bigint: true }));
      if (ino !== this.#inode) return "gone";
      return size < BigInt(this.#size) ? { size: Number(size) } : "whole";
    } catch (error) {
      if (isMissing(error)) return "gone";
      throw error;
    }
  }

  /**
   * Appends `bytes` in place of the tail, and a new tail behind them; durable when it resolves. Throws faults of the file
   * system; the file then has no tail and is as long as before.
   */
  async write(bytes: Uint8Array, tail: Uint8Array = new Uint8Array()): Promise<void> {
    await this.#open(0, async (handle) => {
      const start = this.#length;
      const end = start + bytes.length + tail.length;
      try {
        await writeAt(handle, start, bytes);
        await writeAt(handle, start + bytes.length, tail);
        if (end < this.#size) await handle.truncate(end);
        await handle.datasync();
      } catch (error) {
        this.#size = start;
        // When this fails too, the next write starts at the same place, and the next opening cuts.
        await handle.truncate(start).catch(() => undefined);
        throw error;
      }
      this.#length = start + bytes.length;
      this.#size = end;
    });
  }

  /** Lets go of the file. A call that hangs in the operating system is not waited for. */
  close(): void {
    if (this.#hold.holder === this) this.#hold.holder = undefined;
    this.#forget();
  }

  async #cutTo(handle: FileHandle, length: number): Promise<void> {
    const stats = await handle.stat({ bigint: true });
    if (!stats.isFile()) throw new FileRefusal(`${this.path} is not a regular file.`);
    if (stats.size !== BigInt(length)) {
      await handle.truncate(length);
      await handle.datasync();
    }
    this.#inode = stats.ino;
    this.#length = length;
    this.#size = length;
  }

  /** Calls `use` with the open file. */
  async #open(flags: number, use: (handle: FileHandle) => Promise<void>): Promise<void> {
    await this.#alone(async () => {
      // Without O_NONBLOCK the opening of a pipe would wait for its other end.
      const mode = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK | flags;
      const handle = await open(this.path, mode, 0o666);
      try {
        const { ino } = await handle.stat({ bigint: true });
        if (this.#inode !== 0n && ino !== this.#inode) {
          throw new FileRefusal(`${this.path} is being replaced by someone else.`);
        }
        await use(handle);
      } finally {
        await handle.close();
      }
    });
  }

  /** Makes a call after which the file is let go when it fails. */
  async #release<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  async #alone<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#hold.holder !== this) throw new FileRefusal(`${this.path} is held by a later writer.`);
    const running = operation();
    const pending: Promise<void> = running.then(
      () => this.#ended(pending),
      () => this.#ended(pending),
    );
    this.#hold.pending = pending;
    return await running;
  }

  #ended(call: Promise<void>): void {
    if (this.#hold.pending === call) this.#hold.pending = undefined;
    this.#forget();
  }

  #forget(): void {
    const { holder, pending } = this.#hold;
    const isFree = holder === undefined && pending === undefined;
    if (isFree && holds.get(this.path) === this.#hold) holds.delete(this.path);
  }
}

/** Bytes of a file or folder; undefined when it is gone. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function writeAt(handle: FileHandle, position: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

/** Resolves when `pending` has; rejects when the signal aborts first. */
async function settled(pending: Promise<void> | undefined, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    await Promise.race([pending, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
