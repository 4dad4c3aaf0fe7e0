/** Bringing the files of a data set into the cache. Each is read once: what is hashed is what is kept. */
import { copyFile, link, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { DatasetWork } from "../dataset.ts";
import { reflink, syncFolder, writeDurably } from "../files.ts";
import { eachOf } from "../workers.ts";
import type { Cache } from "./cache.ts";
import type { LinkType } from "./config.ts";
import { type FileDigest, isSameStamp, type Stamp } from "./digest-file.ts";
import { Counted, type DigestedFile, type DigestedTree, joined } from "./digests.ts";
import { type HashJob, hashFiles } from "./hashing.ts";
import type { Memory } from "./memory.ts";
import { type DataFile, type DataTree, stampAt } from "./tree.ts";
import { unreadable } from "./unreadable.ts";

/** Files that are named, linked or looked for at a time. */
const AT_ONCE = 16;

/** Saves a tree, its listing last, durably; remembers its digests. Throws DatasetFault `unreadable`. */
export async function saveTree(
  tree: DataTree,
  cache: Cache,
  memory: Memory,
  types: readonly LinkType[],
  work: DatasetWork,
): Promise<DigestedTree> {
  const known = new Map<DataFile, FileDigest>();
  const missing: DataFile[] = [];
  const find = async (file: DataFile): Promise<void> => {
    const digest = memory.find(file.stamp);
    if (digest !== undefined && digest.sha256 !== "" && (await cache.has(digest.md5)))
      known.set(file, digest);
    else missing.push(file);
  };
  await eachOf(tree.files, AT_ONCE, find, work.signal);
  const temps: string[] = [];
  let taken: ReadonlyMap<DataFile, FileDigest>;
  try {
    taken = await takeIn(missing, cache, types, temps, work);
  } finally {
    await Promise.all(temps.map((temp) => rm(temp, { force: true })));
  }
  const files = tree.files.flatMap((file): DigestedFile[] => {
    const digest = taken.get(file) ?? known.get(file);
    return digest === undefined ? [] : [{ ...file, digest }];
  });
  const whole = joined(tree.isFolder, files);
  if (tree.isFolder && !(await cache.has(whole.hash))) {
    await cache.receive(whole.hash, (temp) => writeDurably(temp, whole.listing));
  }
  await memory.remember([...taken].map(([{ path }, digest]) => ({ path, digest })));
  return whole;
}

/** Digests of files that the cache gets. `temps` is told of every temporary file. */
async function takeIn(
  files: readonly DataFile[],
  cache: Cache,
  types: readonly LinkType[],
  temps: string[],
  work: DatasetWork,
): Promise<ReadonlyMap<DataFile, FileDigest>> {
  const count = new Counted("saving", files, work);
  const sharesInodes = types[0] === "hardlink" || types[0] === "symlink";
  const clones = types[0] === "reflink" ? await cloneAll(files, cache, temps, work.signal) : undefined;
  const jobs = await Promise.all(
    files.map(async (file): Promise<HashJob> => {
      const what = { md5: "md5", sha256: true, size: Number(file.stamp.size) } as const;
      if (sharesInodes && isShareable(file)) return { ...what, path: file.path, syncs: true };
      const clone = clones?.get(file);
      if (clone !== undefined) return { ...what, path: clone, syncs: true };
      const copyTo = await cache.newTemp();
      temps.push(copyTo);
      return { ...what, path: file.path, copyTo };
    }),
  );
  const digests = await hashFiles(jobs, work.signal, count.onBytes, count.onFile);
  const found = new Map<DataFile, FileDigest>();
  const folders = new Set<string>();
  const keep = async (index: number): Promise<void> => {
    const [file, job, digest] = [files[index], jobs[index], digests[index]];
    if (file === undefined || job === undefined || digest === undefined) return;
    // A clone has an inode of its own, so the file is compared with how it looked before that was made.
    const asRead = clones?.has(file) === true ? file.stamp : digest.stamp;
    if (!isSameStamp(stampAt(file.path), asRead)) throw unreadable(file.path, "FileMoves");
    let stamp = asRead;
    if (!(await cache.has(digest.md5))) {
      const temp = clones?.get(file) ?? job.copyTo;
      if (temp === undefined) stamp = await shareInode(file, digest, cache);
      else await cache.keep(digest.md5, temp);
      folders.add(dirname(cache.path(digest.md5)));
    }
    found.set(file, { ...digest, stamp });
  };
  await eachOf([...files.keys()], AT_ONCE, keep, work.signal);
  await eachOf([...folders], AT_ONCE, syncFolder, work.signal);
  return found;
}

/** A file of several names would change in the cache by another of its names; DVC shares no empty one. */
function isShareable({ isLink, links, stamp }: DataFile): boolean {
  return !isLink && links === 1 && stamp.size > 0n;
}

/**
 * Makes the file itself the object, or copies it where the cache is on another file system. Returns the file's stamp: the
 * object's mode and names are the file's, too.
 */
async function shareInode({ path }: DataFile, { md5, stamp }: FileDigest, cache: Cache): Promise<Stamp> {
  const temp = await cache.newTemp();
  try {
    await link(path, temp);
    await cache.keep(md5, temp);
  } catch {
    await cache.receive(md5, (copy) => copyFile(path, copy));
    return stamp;
  } finally {
    await rm(temp, { force: true });
  }
  const shared = stampAt(path);
  if (isSameStamp(shared, { ...stamp, changedNs: shared.changedNs })) return shared;
  await rm(cache.path(md5), { force: true });
  throw unreadable(path, "FileMoves");
}

/** Temporary files that share the blocks of files; none where the file system cannot. */
async function cloneAll(
  files: readonly DataFile[],
  cache: Cache,
  temps: string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<DataFile, string>> {
  const clones = new Map<DataFile, string>();
  let isPossible = true;
  const clone = async (file: DataFile): Promise<void> => {
    if (!isPossible) return;
    const temp = await cache.newTemp();
    temps.push(temp);
    if (await reflink(file.path, temp)) clones.set(file, temp);
    else isPossible = false;
  };
  const [probe, ...others] = files;
  if (probe !== undefined) await clone(probe);
  if (isPossible) await eachOf(others, AT_ONCE, clone, signal);
  return clones;
}
