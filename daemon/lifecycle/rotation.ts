import { closeSync, fstatSync, openSync, renameSync, rmSync, writeSync } from "node:fs";

/** How large a log file grows, and how many there are with the current one. */
export interface RotationLimits {
  readonly maxBytes: number;
  readonly files: number;
}

/**
 * A file written line by line that is renamed to `FILE.1` (and `FILE.1` to `FILE.2`, ...) when it is full.
 * Writes are synchronous: a log that is lost with the process is of little use.
 */
export class RotatingFile {
  readonly #path: string;
  readonly #limits: RotationLimits;
  #fd: number;
  #bytes: number;

  constructor(path: string, limits: RotationLimits) {
    this.#path = path;
    this.#limits = limits;
    this.#fd = openSync(path, "a", 0o600);
    this.#bytes = fstatSync(this.#fd).size;
  }

  /** Appends a line. A full disk loses the line and nothing else: logging never stops the daemon. */
  write(line: string): void {
    const bytes = Buffer.from(line);
    try {
      if (this.#bytes > 0 && this.#bytes + bytes.length > this.#limits.maxBytes) this.#rotate();
      this.#bytes += writeSync(this.#fd, bytes);
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #rotate(): void {
    closeSync(this.#fd);
    const name = (i: number) => (i === 0 ? this.#path : `${this.#path}.${i}`);
    rmSync(name(this.#limits.files - 1), { force: true });
    for (let i = this.#limits.files - 2; i >= 0; i--) {
      try {
        renameSync(name(i), name(i + 1));
      } catch {
        // A gap in the row of old files is no fault.
      }
    }
    this.#fd = openSync(this.#path, "a", 0o600);
    this.#bytes = fstatSync(this.#fd).size;
  }
}
