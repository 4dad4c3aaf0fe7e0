/** What a collection would delete, as the registry stands while it is read. Nothing is deleted on the strength of it. */

import { fits } from "../metadata-filter.ts";
import { asCorrupt, readMetadata } from "../model.ts";
import type { LoggedMove } from "../tag-file.ts";
import { leasesAt, type Marks, marksAt } from "./holds.ts";
import { type Folder, foldersOf } from "./inventory.ts";
import { inParallel } from "./parallel.ts";
import type { Parts } from "./parts.ts";
import type { Policy } from "./policy.ts";
import { lastMoves, pinnedHashes, recentPlaces } from "./references.ts";

/** Why a model is kept, in the order in which they are asked. */
export type Reason = "tagged" | "pinned" | "leased" | "moved" | "young" | "last" | "metadata";

export interface Plan {
  readonly policy: Policy;
  /** Unix microseconds at the backend for which it was made. */
  readonly nowUs: number;
  /** Models looked at, without remains. */
  readonly models: number;
  /** How many models each reason keeps. */
  readonly kept: Map<Reason, number>;
  /** What nothing keeps, in byte order of the hashes. */
  readonly candidates: readonly Folder[];
  /** The last moves of all tags, by name. */
  readonly lastMoves: ReadonlyMap<string, LoggedMove>;
}

/** Throws GC_ABORTED and what reading throws. `told` is called with the number of models seen so far. */
export async function makePlan(
  parts: Parts,
  policy: Policy,
  nowUs: number,
  signal: AbortSignal,
  told: (models: number) => void,
): Promise<Plan> {
  const { backend, tags, times } = parts;
  const folders: Folder[] = [];
  for await (const folder of foldersOf(backend, signal)) {
    folders.push(folder);
    told(folders.length);
  }
  const leases = await leasesAt(backend, nowUs, times, signal);
  const marks = await marksAt(backend, nowUs, policy.minAgeUs, signal);
  const moves = await lastMoves(tags, [], signal);
  const tagged = new Set([...moves.values()].map(({ hash }) => hash));
  const pinned = await pinnedHashes(backend, signal);
  const moved = await historicHashes(parts, moves, policy, nowUs, signal);
  const newest = newestOf(folders, policy.keepLast);

  const kept = new Map<Reason, number>();
  const keptBy = (folder: Folder): Reason | undefined => {
    const { hash } = folder;
    if (tagged.has(hash)) return "tagged";
    if (pinned.has(hash)) return "pinned";
    if (leases.held.has(hash)) return "leased";
    if (moved.has(hash)) return "moved";
    if (isYoung(folder, marks, policy, nowUs, times.leaseMs)) return "young";
    return newest.has(hash) ? "last" : undefined;
  };
  const count = (folder: Folder, reason: Reason): void => {
    if (folder.storedAtUs !== undefined) kept.set(reason, (kept.get(reason) ?? 0) + 1);
  };
  const rest: Folder[] = [];
  for (const folder of folders) {
    const reason = keptBy(folder);
    if (reason === undefined) rest.push(folder);
    else count(folder, reason);
  }
  const chosen =
    policy.filters.length === 0
      ? []
      : await inParallel(rest, (folder) => isChosen(parts, folder, policy, signal));
  const candidates = rest.filter((folder, i) => {
    if (chosen[i]) count(folder, "metadata");
    return !chosen[i];
  });
  const models = folders.reduce((sum, { storedAtUs }) => sum + (storedAtUs === undefined ? 0 : 1), 0);
  return { policy, nowUs, models, kept, candidates, lastMoves: moves };
}

/** Remains are young while somebody may still be storing the model, whatever the policy says. */
export function isYoung(
  { hash, storedAtUs, newestUs }: Folder,
  marks: Marks,
  { minAgeUs }: Policy,
  nowUs: number,
  leaseMs: number,
): boolean {
  if (storedAtUs === undefined) return nowUs - newestUs <= Math.max(minAgeUs, leaseMs * 1000);
  // A server's clock that counts whole seconds may be behind what it stored just now: that is no age to keep it for.
  return marks.held.has(hash) || (minAgeUs > 0 && nowUs - storedAtUs < minAgeUs);
}

/** Of tags, and of logs whose tag a person has removed. */
async function historicHashes(
  { backend, tags }: Parts,
  moves: ReadonlyMap<string, LoggedMove>,
  policy: Policy,
  nowUs: number,
  signal: AbortSignal,
): Promise<Set<string>> {
  const hashes = new Set<string>();
  const lasts = [...moves.values()];
  for (let after: string | undefined; ; ) {
    const options = { limit: 1000, folders: true, ...(after !== undefined && { after }) };
    const folders = await backend.list("_log/", options, signal);
    for (const folder of folders) {
      const name = folder.slice("_log/".length, -1);
      const last = moves.has(name) ? undefined : await tags.lastLogged(name, signal);
      if (last !== undefined) lasts.push(last);
    }
    after = folders.at(-1);
    if (after === undefined) break;
  }
  for (const last of lasts) {
    for (const hash of await recentPlaces(tags, last, policy, nowUs, signal)) hashes.add(hash);
  }
  return hashes;
}

function newestOf(folders: readonly Folder[], count: number): Set<string> {
  if (count === 0) return new Set();
  const models = folders.filter(({ storedAtUs }) => storedAtUs !== undefined);
  models.sort((a, b) => (b.storedAtUs ?? 0) - (a.storedAtUs ?? 0));
  return new Set(models.slice(0, count).map(({ hash }) => hash));
}

/** Whether the metadata fits one of the policy's filters. Throws CORRUPT_MODEL: what cannot be read might. */
async function isChosen(
  { backend }: Parts,
  { hash, storedAtUs }: Folder,
  { filters }: Policy,
  signal: AbortSignal,
): Promise<boolean> {
  signal.throwIfAborted();
  if (storedAtUs === undefined) return false;
  const metadata = await readMetadata(backend, hash, signal).catch((error: unknown) => {
    throw asCorrupt(error, hash);
  });
  return metadata !== undefined && filters.some((filter) => fits(metadata.free, filter));
}
