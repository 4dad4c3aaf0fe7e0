/** Files whose digest was checked, so that an unchanged one is not hashed again. */
import { stat } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { hashFile } from "@pipekit/adapters/files";
import { type OnBytes, SourceUnreadable } from "@pipekit/adapters/registry";
import { FileMemory } from "./cache/memory.ts";
import { Damage, type FileDigest } from "./metadata.ts";

/** Two writes closer together than this may leave one time on a file, milliseconds. */
export const CLOCK_GRAIN_MS = 20;
/** Hashing this many bytes takes longer than waiting for the clock. */
export const WORTH_WAITING_BYTES = 32 * 1024 * 1024;

export class VerifiedFiles {
  readonly #memory: FileMemory;
  readonly #boot: string;

  /**
   * With `boot`, which names the time since the machine was started, what is remembered holds as long as that: for files
   * that were not made durable, which a loss of power may change without a trace.
   */
  constructor(memory = new FileMemory(), boot = "") {
    this.#memory = memory;
    this.#boot = boot;
  }

  /** Hashes the file unless it is as it was when it was last hashed. Throws Damage that names `file`. */
  async check(
    path: string,
    file: string,
    expected: FileDigest,
    signal: AbortSignal,
    onBytes?: OnBytes,
  ): Promise<void> {
    const before = await identity(path);
    if (before === undefined) throw new Damage(`${file} is missing.`);
    if (await this.#isAs(path, before, expected)) return;
    // A write within the grain of the clock would leave the file looking as before. A large file that was stored just now
    // is waited for, so that the next load need not hash it once more.
    if (expected.size >= WORTH_WAITING_BYTES && !isSettled(before)) {
      await setTimeout(CLOCK_GRAIN_MS + 1, undefined, { signal });
    }
    const settled = isSettled(before);
    checkDigest(file, expected, await digestOf(path, file, signal, onBytes));
    if (settled) await this.remember(path, before, expected);
  }

  /** Whether the file is as it was when its digest was last found right. */
  async isKnown(path: string, expected: FileDigest): Promise<boolean> {
    const now = await identity(path);
    return now !== undefined && (await this.#isAs(path, now, expected));
  }

  /** Notes that the file had the digest while it looked like `seen`. */
  async remember(path: string, seen: string, expected: FileDigest): Promise<void> {
    await this.#memory.note(path, this.#inThisBoot(seen), expected.sha256);
  }

  async #isAs(path: string, seen: string, expected: FileDigest): Promise<boolean> {
    const known = await this.#memory.find(path);
    if (known?.seen !== this.#inThisBoot(seen) || known.sha256 !== expected.sha256) return false;
    await this.#memory.use(path);
    return true;
  }

  #inThisBoot(seen: string): string {
    return this.#boot === "" ? seen : `${seen} ${this.#boot}`;
  }
}

/** What a file looks like from outside; any write changes it. Undefined when it is missing. */
export async function identity(path: string): Promise<string | undefined> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch {
    return undefined;
  }
}

/** Whether the last change is so long ago that the next one shows. */
function isSettled(seen: string): boolean {
  const changedAtMs = Number(seen.split(" ").at(-1)) / 1e6;
  return Math.abs(Date.now() - changedAtMs) > CLOCK_GRAIN_MS;
}

/** Throws Damage unless the digests are equal. */
export function checkDigest(file: string, expected: FileDigest, found: FileDigest): void {
  if (found.size !== expected.size) {
    throw new Damage(`${file} has ${found.size} bytes and should have ${expected.size}.`);
  }
  if (found.sha256 !== expected.sha256) {
    throw new Damage(`${file} has the SHA-256 ${found.sha256} and should have ${expected.sha256}.`);
  }
}

async function digestOf(
  path: string,
  file: string,
  signal: AbortSignal,
  onBytes?: OnBytes,
): Promise<FileDigest> {
  try {
    return await hashFile(path, signal, onBytes);
  } catch (error) {
    if (error instanceof SourceUnreadable)
      throw new Damage(`${file} cannot be read: ${error.reason}.`, { cause: error });
    throw error;
  }
}
