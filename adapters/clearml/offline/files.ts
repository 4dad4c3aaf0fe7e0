/** Small durable moves of files. Faults of the file system are thrown. */

import { access, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { isMissing } from "../../file-faults.ts";
import { syncFolder, writeDurably } from "../../files.ts";

/** Ending of a file that is not whole yet. */
export const PARTIAL = ".partial";

/** JSON in ASCII: ClearML reads its files in the encoding of the place where it runs. */
export function asciiJson(value: unknown): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(/[^\0-\x7f]/g, escaped);
}

/** Makes the file have these bytes, all or nothing. */
export async function replaceFile(path: string, bytes: Buffer): Promise<void> {
  await viaTemporary(path, (temporary) => writeDurably(temporary, bytes));
}

/**
 * Puts a file that `make` writes under another name in its place, durably. What a killed attempt has left there is
 * replaced.
 */
export async function viaTemporary<T>(path: string, make: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = path + PARTIAL;
  try {
    await rm(temporary, { force: true });
    const made = await make(temporary);
    await rename(temporary, path);
    await syncFolder(dirname(path));
    return made;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncFolder(dirname(path));
}
