/** Files whose digest was checked, so that an unchanged one is not hashed again. */
import { stat } from "node:fs/promises";
import { hashFile } from "@pipekit/adapters/files";
import { SourceUnreadable } from "@pipekit/adapters/registry";
import { Damage, type FileDigest } from "./metadata.ts";

const MAX_REMEMBERED = 10_000;

export class VerifiedFiles {
  /** Path to what the file looked like (device, inode, size, times) when its digest was right. */
  readonly #seen = new Map<string, string>();

  /** Hashes the file unless it is as it was when it was last hashed. Throws Damage that names `file`. */
  async check(path: string, file: string, expected: FileDigest, signal: AbortSignal): Promise<void> {
    const before = await identity(path);
    if (before === undefined) throw new Damage(`${file} is missing.`);
    if (this.#seen.get(path) === `${before} ${expected.sha256}`) return;
    checkDigest(file, expected, await digestOf(path, file, signal));
    this.remember(path, before, expected);
  }

  /** Whether the file is as it was when its digest was last found right. */
  async isKnown(path: string, expected: FileDigest): Promise<boolean> {
    const now = await identity(path);
    return now !== undefined && this.#seen.get(path) === `${now} ${expected.sha256}`;
  }

  /** Notes that the file had the digest while it looked like `seen`. */
  remember(path: string, seen: string, expected: FileDigest): void {
    if (this.#seen.size >= MAX_REMEMBERED) this.#seen.clear();
    this.#seen.set(path, `${seen} ${expected.sha256}`);
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

/** Throws Damage unless the digests are equal. */
export function checkDigest(file: string, expected: FileDigest, found: FileDigest): void {
  if (found.size !== expected.size) {
    throw new Damage(`${file} has ${found.size} bytes and should have ${expected.size}.`);
  }
  if (found.sha256 !== expected.sha256) {
    throw new Damage(`${file} has the SHA-256 ${found.sha256} and should have ${expected.sha256}.`);
  }
}

async function digestOf(path: string, file: string, signal: AbortSignal): Promise<FileDigest> {
  try {
    return await hashFile(path, signal);
  } catch (error) {
    if (error instanceof SourceUnreadable)
      throw new Damage(`${file} cannot be read: ${error.reason}.`, { cause: error });
    throw error;
  }
}
