/** Adding data: into the cache, out of Git's sight, recorded in a `.dvc` file, and linked from the cache. */
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { DatasetVersion, DatasetWork } from "../dataset.ts";
import { dataToAdd, ownRecord } from "./adding.ts";
import type { DigestedFile, DigestedTree } from "./digests.ts";
import { changedDvcFile, newDvcFile, type OutputFacts } from "./dvc-file.ts";
import { ignoreInGit } from "./gitignore.ts";
import { Linker } from "./links.ts";
import { withLock } from "./lock.ts";
import type { Memory } from "./memory.ts";
import { type RecordedOutput, readRecords } from "./records.ts";
import { replaceFile } from "./replacing.ts";
import type { Repository } from "./repository.ts";
import { saveTree } from "./saving.ts";
import { type DataTree, isUntouched, readTree, stampAt } from "./tree.ts";
import { unreadable } from "./unreadable.ts";
import { distrustWrittenThrough } from "./written-through.ts";

/** Adds a file or folder. Throws DatasetFault; before anything is written for what cannot be added. */
export async function addData(
  repository: Repository,
  memory: Memory,
  path: string,
  work: DatasetWork,
): Promise<DatasetVersion> {
  const data = await dataToAdd(repository, path);
  return withLock(repository, [data], work.signal, async () => {
    const tree = readTree(data, repository.ignored);
    if (tree === undefined) throw unreadable(data, "ENOENT");
    const own = await ownRecord(repository, data, tree.isFolder);
    const types = repository.config.linkTypes;
    const whole = await saveTree(tree, repository.cache, memory, types, work);
    const ignoreFile = await ignoreInGit(repository, data, tree.isFolder);
    const file = await record(repository, data, own, factsOf(tree, whole));
    await distrustWrittenThrough(repository, own, whole.files);
    await relink(repository, memory, whole.files);
    if (repository.config.autostages) {
      await repository.git?.stage(
        [file, ...(ignoreFile === undefined ? [] : [ignoreFile])],
        repository.context.note,
      );
    }
    return {
      hash: whole.hash,
      sha256: whole.sha256,
      size: whole.size,
      files: whole.files.length,
      path: repository.show(data),
      recordedIn: repository.show(file),
    };
  });
}

function factsOf(tree: DataTree, whole: DigestedTree): OutputFacts {
  const isExecutable = !tree.isFolder && ((tree.files[0]?.mode ?? 0) & 0o111) !== 0;
  return {
    md5: whole.hash,
    size: whole.size,
    ...(tree.isFolder ? { nfiles: whole.files.length } : {}),
    ...(isExecutable ? { isexec: true } : {}),
  };
}

/** Writes the `.dvc` file, and returns its path. */
async function record(
  repository: Repository,
  data: string,
  own: RecordedOutput | undefined,
  facts: OutputFacts,
): Promise<string> {
  if (own === undefined) {
    const file = `${data}.dvc`;
    await replaceFile(file, newDvcFile(facts, basename(data)), repository.fileMode);
    return file;
  }
  const text = await readFile(own.file, "utf8");
  const recorded = (await readRecords(own.file)).find((output) => output.path === data);
  const changed = changedDvcFile(text, recorded?.index ?? -1, facts, own.file);
  if (changed !== text) await replaceFile(own.file, changed, repository.fileMode);
  return own.file;
}

/** Replaces by links to the cache what is no such link, where the settings ask for links. */
async function relink(repository: Repository, memory: Memory, files: readonly DigestedFile[]): Promise<void> {
  const { cache, config } = repository;
  const linker = new Linker({
    types: config.linkTypes,
    tempFolder: join(repository.dvcFolder, "tmp"),
    fileMode: repository.fileMode,
  });
  const placed: DigestedFile[] = [];
  for (const file of files) {
    const source = cache.path(file.digest.md5);
    if (isLinked(linker, file, source)) continue;
    const isExecutable = files.length === 1 && file.relpath === "" && (file.mode & 0o111) !== 0;
    // What was written since it was read is in this file alone.
    if (!isUntouched({ ...file, stamp: file.digest.stamp })) continue;
    const stamp = await linker.place(source, file.path, {
      size: Number(file.digest.stamp.size),
      isExecutable,
    });
    if (stamp !== undefined) placed.push({ ...file, digest: { ...file.digest, stamp } });
  }
  await memory.remember(placed);
}

/** Whether a file lies as the first choice of link wants it (`_needs_relink` of dvc_data/hashfile/checkout.py). */
function isLinked(linker: Linker, file: DigestedFile, source: string): boolean {
  const isSymlink = linker.type === "symlink";
  if (!isSymlink && linker.type !== "hardlink") return !file.isLink && file.links === 1;
  const [own, object] = [stampAt(file.path), stampAt(source)];
  const isSame = own.inode === object.inode && own.device === object.device;
  return file.isLink === isSymlink && (isSame || (!isSymlink && own.size === 0n));
}
