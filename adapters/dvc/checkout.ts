/**
 * Making the workspace hold recorded data. All is planned and looked at first, so that nothing is touched when something
 * that is saved nowhere would be lost.
 */
import { lstat } from "node:fs/promises";
import { isAbsolute, join, sep } from "node:path";
import { DatasetFault, type DatasetWork } from "../dataset.ts";
import { digestTree } from "./digests.ts";
import type { Memory } from "./memory.ts";
import { Placer } from "./placing.ts";
import { type Plan, planFor, type Wanted } from "./plan.ts";
import type { Repository } from "./repository.ts";
import type { Target } from "./targets.ts";
import { type DataTree, readTree } from "./tree.ts";

/** Files of changes that a fault names. */
const NAMED = 3;

/** What a checkout did, in files. */
export interface CheckedOut {
  readonly objects: number;
  readonly bytes: number;
  /** Files that were as they should be. */
  readonly present: number;
}

/** What is to lie at a target's own path, or at another. The cache must have its listing. Throws DatasetFault. */
export async function wantedOf(
  { cache }: Repository,
  { hash, algorithm, output, within }: Target,
  path = output?.path ?? "",
): Promise<Wanted> {
  const isFolder = hash.endsWith(".dir");
  const entries = isFolder ? await cache.listing(hash, algorithm) : [{ relpath: "", md5: hash }];
  return { path, algorithm, isFolder, entries, within, isExecutable: output?.isExecutable ?? false };
}

/** Where data of a bare hash may go. Throws DatasetFault `invalid` for a place that is not for data. */
export function placeFor(repository: Repository, path: string): string {
  const place = repository.resolve(path);
  const isAbove = repository.root === place || repository.root.startsWith(place === sep ? sep : place + sep);
  const inner = repository.contains(place) ? repository.show(place).split(sep)[0] : "";
  if (path === "" || path.includes("\0") || isAbove || inner === ".dvc" || inner === ".git") {
    throw new DatasetFault("invalid", `The data cannot be put at ${path || "an empty path"}.`, {
      field: "path",
      mend: `Name a path in ${repository.root} or elsewhere that is for data alone.`,
    });
  }
  return isAbsolute(path) ? path.replace(/(?<=.)\/+$/, "") : place;
}

/** Throws DatasetFault: `changed` unless `force`, `not-found` for an object that the cache lacks. */
export async function checkOut(
  repository: Repository,
  memory: Memory,
  wanted: readonly Wanted[],
  force: boolean,
  work: DatasetWork,
): Promise<CheckedOut> {
  const plans: Plan[] = [];
  for (const one of wanted) plans.push(await plan(repository, memory, one, work));
  if (!force) await refuseLosses(repository, plans);
  const bytes = await new Placer(repository, memory, force, work).run(plans);
  return {
    objects: plans.reduce((sum, { placements }) => sum + placements.length, 0),
    bytes,
    present: plans.reduce((sum, { unchanged }) => sum + unchanged, 0),
  };
}

async function plan(
  repository: Repository,
  memory: Memory,
  wanted: Wanted,
  work: DatasetWork,
): Promise<Plan> {
  const tree = readTree(wanted.path, repository.contains(wanted.path) ? repository.ignored : undefined);
  const hashes = { algorithm: wanted.algorithm, sha256: false };
  const digested = tree === undefined ? undefined : await digestTree(tree, memory, work, hashes);
  const current = new Map((digested?.files ?? []).map(({ relpath, digest }) => [relpath, digest.md5]));
  const planned = planFor(wanted, tree, current);
  return { ...planned, losses: [...planned.losses, ...(await hiddenLosses(planned, tree, current))] };
}

/** What lies where a file is wanted and is no data, such as an ignored file. */
async function hiddenLosses(
  { wanted, placements }: Plan,
  tree: DataTree | undefined,
  current: ReadonlyMap<string, string>,
): Promise<Plan["losses"]> {
  if (tree?.isFolder !== true || !wanted.isFolder) return [];
  const hidden: { readonly relpath: string; readonly md5: undefined }[] = [];
  for (const { relpath } of placements) {
    if (current.has(relpath) || tree.folderLinks.includes(relpath)) continue;
    const found = await lstat(join(wanted.path, relpath)).catch(() => undefined);
    if (found !== undefined && !found.isDirectory()) hidden.push({ relpath, md5: undefined });
  }
  return hidden;
}

async function refuseLosses({ cache }: Repository, plans: readonly Plan[]): Promise<void> {
  const lost: string[] = [];
  for (const { wanted, losses } of plans) {
    for (const { relpath, md5 } of losses) {
      const isSaved = md5 !== undefined && (await cache.has(md5, wanted.algorithm));
      if (!isSaved) lost.push(join(wanted.path, relpath));
    }
  }
  if (lost.length === 0) return;
  const more = lost.length > NAMED ? ` and ${lost.length - NAMED} more` : "";
  const named = lost.slice(0, NAMED).join(", ");
  throw new DatasetFault("changed", `Changes that are saved nowhere would be lost: ${named}${more}.`, {
    field: lost[0] ?? "",
    mend: "Add the data first, or give the changes up with `force`.",
  });
}
