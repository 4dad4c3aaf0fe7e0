import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { IncomingMessage } from "@pipekit/adapters/stream";
import type { Logger } from "pino";

/** Who puts many bad messages into a stream shall not fill the disk. */
const MOST = 100;

/** Keeps messages that nobody can read, so that they hold up no other and a person can look at them. */
export class Parking {
  readonly #folder: string;
  readonly #log: Logger;
  /** Parked by this process. */
  count = 0;

  constructor(folder: string, log: Logger) {
    this.#folder = folder;
    this.#log = log;
  }

  /** Throws errors of the file system. */
  async park(messages: readonly IncomingMessage[]): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const there = (await readdir(this.#folder)).length;
    for (const [i, { number, source, body }] of messages.entries()) {
      const file = join(this.#folder, `${number}.message`);
      const kept = there + i < MOST;
      if (kept) await writeFile(file, body, { mode: 0o600 });
      this.count++;
      this.#log.error(
        { number, source, bytes: body.length, ...(kept && { file }) },
        "a message of the stream is no frames; passed over",
      );
    }
  }
}
