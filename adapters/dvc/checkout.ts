/**
 * Making the workspace hold recorded data. All is planned and looked at first, so that nothing is touched when something
 * that is saved nowhere would be lost.
 */
import { lstat, readdir, readlink, stat } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { DatasetFault, type DatasetWork } from "../dataset.ts";
import { digestFiles } from "./digests.ts";
import type { Memory } from "./memory.ts";
import { Placer } from "./placing.ts";
import { type Plan, planFor, planInsteadOf, type Wanted } from "./plan.ts";
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
  const isInside = repository.contains(wanted.path);
  if (isInside && (await isLinkInTheWay(repository, wanted.path))) return planInsteadOf(wanted);
  const tree = readTree(wanted.path, isInside ? repository.ignored : undefined);
  const hashes = { algorithm: wanted.algorithm, sha256: false };
  const files = tree === undefined ? [] : await digestFiles(tree, memory, work, hashes);
  const current = new Map(files.map(({ relpath, digest }) => [relpath, digest.md5]));
  const planned = planFor(wanted, tree, current);
  return { ...planned, losses: [...planned.losses, ...(await hiddenLosses(planned, tree, current))] };
}

/** Whether a link is at the place that is no data: to a folder, which is somebody else's, or to nothing. */
async function isLinkInTheWay({ cache }: Repository, path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSymbolicLink() !== true) return false;
  const target = await stat(path).catch(() => undefined);
  if (target !== undefined) return target.isDirectory();
  return !resolve(dirname(path), await readlink(path)).startsWith(cache.folder + sep);
}

/** What lies where a file is wanted and is no data, such as an ignored file. */
async function hiddenLosses(
  { wanted, placements }: Plan,
  tree: DataTree | undefined,
  current: ReadonlyMap<string, string>,
): Promise<Plan["losses"]> {
  if (tree?.isFolder !== true) return [];
  const known = new Set([...current.keys(), ...tree.folderLinks]);
  const hidden: string[] = [];
  const look = async (relpath: string): Promise<void> => {
    const path = join(wanted.path, relpath);
    const found = await lstat(path).catch(() => undefined);
    if (found?.isDirectory() === true) {
      for (const name of await readdir(path)) await look(relpath === "" ? name : `${relpath}/${name}`);
    } else if (found !== undefined) hidden.push(relpath);
  };
  for (const { relpath } of placements) if (!known.has(relpath)) await look(relpath);
  return hidden.filter((relpath) => !known.has(relpath)).map((relpath) => ({ relpath, md5: undefined }));
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
