import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Frame } from "@pipekit/proto";
import { decodeFrame, SpoolFile } from "../spool/index.ts";

const NAME = /^([0-7][0-9A-HJKMNP-TV-Z]{25})\.frames$/;

/** The spool of another state folder: frames that its clients put there while no daemon answered. Read, never changed. */
export class ForeignSpool {
  readonly #folder: string;
  /** Sizes of the files when they were read last. */
  readonly #sizes = new Map<string, number>();

  constructor(stateFolder: string) {
    this.#folder = join(stateFolder, "spool");
  }

  /** The frames of files that have changed since the last time, in the order of each writer; the oldest writer first. */
  async *fresh(): AsyncGenerator<Frame> {
    const names = await readdir(this.#folder).catch(() => [] as string[]);
    for (const name of names.sort()) {
      const writerId = NAME.exec(name)?.[1];
      if (writerId !== undefined) yield* this.#framesOf(join(this.#folder, name), writerId);
    }
  }

  /** Forgets that a file was read: not all of it could be used. */
  again(writerId: string): void {
    this.#sizes.delete(writerId);
  }

  async *#framesOf(path: string, writerId: string): AsyncGenerator<Frame> {
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    );
    if (size === 0 || this.#sizes.get(writerId) === size) return;
    // A file that cannot be read is as one that is not there: its own daemon tells of it.
    const spool = await SpoolFile.open(path).catch(() => undefined);
    if (spool === undefined) return;
    this.#sizes.set(writerId, size);
    try {
      for await (const kept of spool.frames()) {
        const frame = decodeFrame(kept, writerId, undefined);
        if (frame !== undefined) yield frame;
      }
    } finally {
      await spool.close();
    }
  }
}
