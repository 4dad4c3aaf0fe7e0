/**
 * Objects of the cache that were written to by a link from the workspace: what they hold is nowhere else, and not what their
 * name says.
 */
import { chmod, lstat, readdir, readlink, stat } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { DatasetFault } from "../dataset.ts";
import { isMissing } from "../file-faults.ts";
import type { DigestedFile } from "./digests.ts";
import type { RecordedOutput } from "./records.ts";
import type { Repository } from "./repository.ts";

/** Whoever may write to all files does so in spite of an object's mode. With this one, nobody trusts it unseen. */
const DOUBTED_MODE = 0o644;

/** Throws DatasetFault `changed` for a symbolic link among the data at a path that leads to such an object. */
export async function refuseWrittenThrough(repository: Repository, path: string): Promise<void> {
  const { cache } = repository;
  for await (const link of linksAt(path)) {
    const target = resolve(dirname(link), await readlink(link));
    if (!target.startsWith(join(cache.folder, "files/md5") + sep)) continue;
    const hash = basename(dirname(target)) + basename(target);
    if ((await cache.size(hash)) === undefined || (await cache.has(hash))) continue;
    throw new DatasetFault("changed", `${link} was written to, and with it the cache: ${target}.`, {
      field: link,
      mend: "Add the data first, or give the change up with `force`.",
    });
  }
}

async function* linksAt(path: string): AsyncGenerator<string> {
  const found = await lstat(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (found?.isSymbolicLink() === true) yield path;
  if (found?.isDirectory() !== true) return;
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const inside = join(path, entry.name);
    if (entry.isSymbolicLink()) yield inside;
    else if (entry.isDirectory()) yield* linksAt(inside);
  }
}

/** Sees to it that an object which a file of the data was a link to, and of which it differs now, is looked at anew. */
export async function distrustWrittenThrough(
  { cache }: Repository,
  own: RecordedOutput | undefined,
  files: readonly DigestedFile[],
): Promise<void> {
  if (own === undefined || own.hash === "" || !files.some(({ isLink, links }) => isLink || links > 1)) return;
  const before = own.hash.endsWith(".dir")
    ? await cache.listing(own.hash, own.algorithm).catch(() => [])
    : [{ relpath: "", md5: own.hash }];
  const md5Before = new Map(before.map(({ relpath, md5 }) => [relpath, md5]));
  for (const { relpath, digest, path, isLink, links } of files) {
    const md5 = md5Before.get(relpath);
    if (md5 === undefined || md5 === digest.md5 || !(isLink || links > 1)) continue;
    const object = cache.path(md5, own.algorithm);
    const [ours, there] = await Promise.all([path, object].map((file) => stat(file).catch(() => undefined)));
    const isSame = ours !== undefined && ours.ino === there?.ino && ours.dev === there.dev;
    if (isSame) await chmod(object, DOUBTED_MODE);
  }
}
