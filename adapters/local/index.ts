/** Registry backend for a folder of this host: `local:/absolute/folder`. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ensureFolder } from "../files.ts";
import { folderMode, makeFolder } from "../new-folder.ts";
import type { RegistryKind } from "../registry.ts";
import { LOCK_FILE, LocalBackend, TEMP_FOLDER } from "./backend.ts";
import { isDenied } from "./denied.ts";
import { FolderLock } from "./lock.ts";
import { localRoot, parseLocalSpec } from "./spec.ts";

/** Age after which a temporary file is taken for the remains of a dead process. */
const STALE_MS = 24 * 60 * 60 * 1000;

export const localRegistry: RegistryKind = {
  schemes: ["local"],
  parse: parseLocalSpec,
  async open(spec) {
    const root = localRoot(spec);
    await ensureFolder(root);
    const { mode } = await stat(root);
    await makeFolder(join(root, TEMP_FOLDER), folderMode(mode));
    const backend = new LocalBackend(parseLocalSpec(spec), root, mode);
    const never = new AbortController().signal;
    try {
      for await (const _ of backend.litter({ olderThanMs: STALE_MS, remove: true }, never));
    } catch (error) {
      // Who may only read leaves it to those who may write.
      if (!isDenied(error)) throw error;
    }
    return backend;
  },
};

/** Runs `work` while no process replaces or removes an object of a registry's folder; new ones may still come. */
export async function undisturbed<T>(root: string, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const { mode } = await stat(root);
  const lock = new FolderLock(join(root, LOCK_FILE), 0o600 | (mode & 0o066));
  try {
    return await lock.hold(work, signal);
  } finally {
    lock.close();
  }
}
