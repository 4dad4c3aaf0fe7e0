/** Listing a folder as an object store would: keys in byte order, after a key, up to a limit. */
import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

const SURROGATE = /[\ud800-\udfff]/;

/** Keys of objects under `prefix`, byte order. `hidden` are entries of the root that hold no objects. */
export async function* keysUnder(
  root: string,
  prefix: string,
  after: string,
  hidden: ReadonlySet<string>,
): AsyncGenerator<string> {
  const { folder, partial } = splitPrefix(prefix);
  for (const entry of await entries(root, folder, hidden)) {
    if (!entry.startsWith(partial)) continue;
    const key = folder + entry;
    if (!key.endsWith("/")) {
      if (isAfter(key, after)) yield key;
    } else if (isAfter(key, after) || after.startsWith(key)) {
      yield* keysUnder(root, key, after, hidden);
    }
  }
}

/** Distinct first path segments after `prefix`, each with the prefix before it and `/` behind it, byte order. */
export async function* foldersUnder(
  root: string,
  prefix: string,
  after: string,
  hidden: ReadonlySet<string>,
): AsyncGenerator<string> {
  const { folder, partial } = splitPrefix(prefix);
  for (const entry of await entries(root, folder, hidden)) {
    const key = folder + entry;
    if (entry.endsWith("/") && entry.startsWith(partial) && isAfter(key, after)) yield key;
  }
}

function splitPrefix(prefix: string): { folder: string; partial: string } {
  const end = prefix.lastIndexOf("/") + 1;
  return { folder: prefix.slice(0, end), partial: prefix.slice(end) };
}

/** Names in a folder, folders with `/` behind, sorted so that the keys made of them are in byte order. */
async function entries(root: string, folder: string, hidden: ReadonlySet<string>): Promise<string[]> {
  let found: Dirent[];
  try {
    found = await readdir(join(root, folder), { withFileTypes: true });
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) {
      return [];
    }
    throw error;
  }
  const linked = await linkedFiles(join(root, folder), found);
  return found
    .filter((entry) => folder !== "" || !hidden.has(entry.name))
    .filter((entry) => entry.isFile() || entry.isDirectory() || linked.has(entry.name))
    .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    .sort(inByteOrder);
}

/**
 * Links to files: whoever reads such a key reads the file, so that it must be listed too. Of what cannot be looked at only
 * a link to nothing is left out: its reader is told what is wrong.
 */
async function linkedFiles(folder: string, entries: readonly Dirent[]): Promise<ReadonlySet<string>> {
  const links = entries.filter((entry) => entry.isSymbolicLink()).map(({ name }) => name);
  const isFile = await Promise.all(
    links.map((name) =>
      stat(join(folder, name)).then(
        (found) => found.isFile(),
        (error: NodeJS.ErrnoException) => error.code !== "ENOENT" && error.code !== "ENOTDIR",
      ),
    ),
  );
  return new Set(links.filter((_, i) => isFile[i]));
}

function isAfter(key: string, after: string): boolean {
  return inByteOrder(key, after) > 0;
}

/** JavaScript orders texts by UTF-16 units, which is the order of UTF-8 bytes but for characters beyond the first plane. */
function inByteOrder(a: string, b: string): number {
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : a > b ? 1 : 0;
}
