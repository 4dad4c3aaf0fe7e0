/** How the workspace and the cache differ from what is recorded. */
import type { DatasetComparison, DatasetVersion, DatasetWork } from "../dataset.ts";
import { digestTree } from "./digests.ts";
import { formatListing, type ListingEntry, listingHash } from "./listing.ts";
import type { Memory } from "./memory.ts";
import { isWithin } from "./plan.ts";
import type { Repository } from "./repository.ts";
import type { Target } from "./targets.ts";
import { type DataTree, readTree } from "./tree.ts";

/** Compares targets, sorted by path. A bare hash that nothing records is no target of it. Throws DatasetFault. */
export async function compareTargets(
  repository: Repository,
  memory: Memory,
  targets: readonly Target[],
  work: DatasetWork,
): Promise<readonly DatasetComparison[]> {
  const comparisons: DatasetComparison[] = [];
  for (const target of targets) {
    work.signal.throwIfAborted();
    if (target.output !== undefined) comparisons.push(await compare(repository, memory, target, work));
  }
  return comparisons.toSorted((a, b) => (a.recorded.path < b.recorded.path ? -1 : 1));
}

async function compare(
  repository: Repository,
  memory: Memory,
  target: Target,
  work: DatasetWork,
): Promise<DatasetComparison> {
  const { entries, missing } = await inCacheOf(repository, target);
  const recorded = recordedVersion(repository, target, entries);
  const base = { recorded, missingInCache: missing };
  const path = target.output?.path ?? "";
  const whole = repository.ignored.has(path, true) ? undefined : readTree(path, repository.ignored);
  const tree = whole === undefined ? undefined : partOf(whole, target.within);
  if (tree === undefined) return { ...base, state: "missing", workspaceHash: "" };
  const { hash } = await digestTree(tree, memory, work, { algorithm: target.algorithm, sha256: false });
  return { ...base, state: hash === recorded.hash ? "unchanged" : "modified", workspaceHash: hash };
}

/** A part of a folder as if it were a data set; undefined when nothing is there. */
function partOf(tree: DataTree, within: string): DataTree | undefined {
  if (within === "") return tree;
  const file = tree.files.find(({ relpath }) => relpath === within);
  if (file !== undefined) return { ...tree, isFolder: false, files: [file] };
  const prefix = `${within}/`;
  if (!tree.folders.includes(within)) return undefined;
  const files = tree.files
    .filter(({ relpath }) => relpath.startsWith(prefix))
    .map((inside) => ({ ...inside, relpath: inside.relpath.slice(prefix.length) }));
  return { ...tree, files };
}

/** The part of a listing that is meant, its paths relative to the part; undefined for a file or without a listing. */
async function inCacheOf(
  { cache }: Repository,
  { hash, algorithm, within, output }: Target,
): Promise<{ readonly entries: readonly ListingEntry[] | undefined; readonly missing: number }> {
  if (output?.isCached === false) return { entries: undefined, missing: 0 };
  if (!(await cache.has(hash, algorithm))) return { entries: undefined, missing: 1 };
  if (!hash.endsWith(".dir")) return { entries: undefined, missing: 0 };
  const all = await cache.listing(hash, algorithm);
  const entries = all.filter(({ relpath }) => isWithin(relpath, within));
  let missing = 0;
  for (const md5 of new Set(entries.map((entry) => entry.md5))) {
    if (!(await cache.has(md5, algorithm))) missing++;
  }
  return { entries, missing };
}

/** What is recorded of a target, as it is told. A part of a folder has no hash without the folder's entries. */
export function recordedVersion(
  repository: Repository,
  { hash, output, within }: Target,
  entries: readonly ListingEntry[] | undefined,
): DatasetVersion {
  const shown = output === undefined ? "" : repository.show(output.path);
  const version = {
    hash,
    sha256: "",
    size: output?.size ?? 0,
    files: output?.files ?? entries?.length ?? (hash.endsWith(".dir") ? 0 : 1),
    path: shown,
    recordedIn: output === undefined ? "" : repository.show(output.file),
  };
  if (within === "") return version;
  const part = { ...version, size: 0, files: entries?.length ?? 0, path: `${shown}/${within}` };
  if (entries === undefined) return { ...part, hash: "" };
  const file = entries.find(({ relpath }) => relpath === within);
  if (file !== undefined) return { ...part, hash: file.md5 };
  const inside = entries.map(({ md5, relpath }) => ({
    md5,
    relpath: relpath.slice(within.length + 1),
  }));
  return { ...part, hash: listingHash(formatListing(inside)) };
}
