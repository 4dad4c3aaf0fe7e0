import { chmod, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder } from "./files.ts";

/** Mode of folders that others use too: open to whom their root is open to. The daemon's mask would close them to all others. */
export const folderMode = (rootMode: number): number => 0o700 | (rootMode & 0o2077);

/** Makes a folder and those above it, durably. */
export async function makeFolder(folder: string, mode: number): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; ; made = dirname(made)) {
    await chmod(made, mode);
    await syncFolder(dirname(made));
    if (made === first || made === dirname(made)) return;
  }
}
