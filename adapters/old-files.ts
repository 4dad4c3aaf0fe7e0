/** Temporary files that processes which died have left. */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Litter } from "./registry.ts";

/** Finds, and with `remove` removes, what lies in a folder under a name that is ours and was not written to for so long. */
export async function* oldFiles(
  folder: string,
  isOurs: (name: string) => boolean,
  { olderThanMs, remove }: { readonly olderThanMs: number; readonly remove: boolean },
  signal: AbortSignal,
): AsyncGenerator<Litter> {
  for (const name of await readdir(folder)) {
    signal.throwIfAborted();
    if (!isOurs(name)) continue;
    const path = join(folder, name);
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (found === undefined || Date.now() - found.mtimeMs <= olderThanMs) continue;
    if (remove) await rm(path, { force: true, recursive: true });
    yield { what: "temporary file", bytes: found.size };
  }
}
