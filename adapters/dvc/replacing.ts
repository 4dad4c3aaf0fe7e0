/** Small files that are replaced whole, or not at all. */
import { randomUUID } from "node:crypto";
import { chmod, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncFolder, writeDurably } from "../files.ts";

/** Writes a file's text, durably. Keeps the mode of one that is there; a new one gets `mode`. */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  // Short, since the file's own name may be as long as one can be.
  const temp = join(dirname(path), `.pkx-${randomUUID()}.tmp`);
  const kept = await stat(path).then(
    (found) => found.mode & 0o7777,
    () => mode,
  );
  try {
    await writeDurably(temp, Buffer.from(text));
    await chmod(temp, kept);
    await rename(temp, path);
  } finally {
    await rm(temp, { force: true });
  }
  await syncFolder(dirname(path));
}
