/** What sources in folders have in common: walking, revisions, and files that lie within the source. */
import { readdir, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { isMissing } from "./file-faults.ts";
import type { PastRecord } from "./history.ts";

/** How deep below the folder that was named runs are looked for. */
const DEEPEST = 12;

/** A folder with its regular files (names, sorted). */
export interface WalkedFolder {
  readonly path: string;
  readonly files: readonly string[];
}

/**
 * A folder and those below it, each before those within it, in the order of their names. Links are not followed, and neither
 * are folders with a dot before their name. Throws faults of the file system of the first folder only: one below that is gone
 * or closed has nothing.
 */
export async function* walkFolders(
  root: string,
  signal: AbortSignal,
  depth = 0,
): AsyncGenerator<WalkedFolder> {
  signal.throwIfAborted();
  const entries = await readdir(root, { withFileTypes: true }).catch((error: unknown) => {
    if (depth === 0) throw error;
    return [];
  });
  const names = (wanted: (entry: (typeof entries)[number]) => boolean): string[] =>
    entries
      .filter(wanted)
      .map(({ name }) => name)
      .sort();
  yield { path: root, files: names((entry) => entry.isFile()) };
  if (depth === DEEPEST) return;
  for (const name of names((entry) => entry.isDirectory() && !entry.name.startsWith("."))) {
    yield* walkFolders(join(root, name), signal, depth + 1);
  }
}

/** A text that changes when one of the files grows or is written anew; a file that is gone counts as empty. */
export async function revisionOf(files: readonly string[]): Promise<string> {
  const parts = await Promise.all(
    files.map(async (path) => {
      const found = await stat(path).catch(() => undefined);
      return found === undefined ? "-" : `${found.size}@${Math.round(found.mtimeMs)}`;
    }),
  );
  return parts.join(" ");
}

/** When the newest of the files was written, unix milliseconds; 0 when there is none. */
export async function lastWrittenMs(files: readonly string[]): Promise<number> {
  const times = await Promise.all(
    files.map((path) =>
      stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  return Math.max(0, ...times);
}

/**
 * The entries of a folder as artifacts of their names, each below `prefix`. What leads out of `root` is left out and told
 * to `note`.
 */
export async function* filesIn(
  folder: string,
  root: string,
  prefix: string,
  note: (sentence: string) => void,
): AsyncGenerator<PastRecord> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  for (const name of names.sort()) {
    const path = join(folder, name);
    if (await isWithin(path, root)) yield { kind: "file", name: `${prefix}${name}`, path };
    else note(`${path} is left out: it leads out of what is imported.`);
  }
}

/** Whether a path, its links followed, lies in a folder. */
export async function isWithin(path: string, folder: string): Promise<boolean> {
  const [real, root] = await Promise.all([realpath(path).catch(() => undefined), realpath(folder)]);
  return real === root || real?.startsWith(root === sep ? sep : root + sep) === true;
}

/** A log that nothing was written to for so long has an author who is gone, milliseconds. */
const SILENT_MS = 10 * 60 * 1000;

/** Whether nobody seems to write these files any more. */
export async function areSilent(files: readonly string[]): Promise<boolean> {
  return Date.now() - (await lastWrittenMs(files)) > SILENT_MS;
}
