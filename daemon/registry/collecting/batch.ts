/**
 * Deleting some models of a plan.
 *
 * Architecture Invariant: the order is tombstones, then leases, then all else (tags, pins, marks, the files of each model), then
 * the deletions. A holder's last act before it drops its lease is what makes the model referred to or young, so what is
 * read after the leases shows it.
 * Architecture Invariant: metadata.json goes first, so that no reader finds a model without its weights.
 * Architecture Invariant: before each deletion a look at the clock: none is begun when a holder might soon take the tombstone
 * for dead. A model of which a deletion has failed keeps its tombstone: the deletion may yet come.
 */
import { randomUUID } from "node:crypto";
import type { ObjectInfo } from "@pipekit/adapters/registry";
import type { GcEntry } from "@pipekit/proto";
import { FILES, modelKey } from "../model.ts";
import { Stopwatch } from "./clock.ts";
import { doubt } from "./doubt.ts";
import { type Leases, leasesAt, type Marks, marksAt } from "./holds.ts";
import { type Folder, folderOf } from "./inventory.ts";
import { scanAll, tombstoneKey } from "./keys.ts";
import { inParallel } from "./parallel.ts";
import type { Parts } from "./parts.ts";
import { isYoung, type Plan, type Reason } from "./plan.ts";
import { lastMoves, pinnedHashes, placesSince } from "./references.ts";
import { tombstoneBytes } from "./tombstone.ts";

/** What became of a candidate. */
export interface Outcome {
  readonly entry: GcEntry;
  /** Why it is kept, where the reason is one of the policy's. */
  readonly reason?: Reason;
}

/** Who refers to models at this moment. */
interface Now {
  readonly us: number;
  readonly leases: Leases;
  readonly marks: Marks;
  readonly tagged: ReadonlySet<string>;
  readonly moved: ReadonlySet<string>;
  readonly pinned: ReadonlySet<string>;
}

const never = new AbortController().signal;

/** Throws GC_ABORTED, and the signal's reason; the deletions that have begun are ended before. */
export async function collectBatch(
  parts: Parts,
  plan: Plan,
  batch: readonly Folder[],
  actor: string,
  signal: AbortSignal,
): Promise<Outcome[]> {
  const { backend, clock, processes, times } = parts;
  const since = new Stopwatch(clock);
  const isOver = (): boolean => since.elapsedMs >= times.deletingMs;
  const id = randomUUID();
  const tombstones = new Map(batch.map(({ hash }) => [hash, tombstoneKey(hash, id)]));
  const bytes = tombstoneBytes(actor, processes.mark, clock.unixMs());
  try {
    await inParallel([...tombstones.values()], async (key) => {
      signal.throwIfAborted();
      if ((await backend.create(key, bytes, never)) === undefined)
        throw new Error(`${key} is there already.`);
    });
    const us = (await backend.info([...tombstones.values()][0] ?? "", signal))?.modifiedAtUs;
    if (us === undefined)
      throw doubt("its own tombstone is gone", "", "See which other program removes files there.");
    const leases = await leasesAt(backend, us, times, signal);
    const now = await lookAgain(parts, plan, us, leases, signal);
    const contents = await inParallel(batch, ({ hash }) => scanAll(backend, `${hash}/`, signal));
    const work = batch.map((planned, i) => ({ planned, objects: contents[i] ?? [] }));
    return await inParallel(work, async ({ planned, objects }) => {
      signal.throwIfAborted();
      const stays = whyItStays(planned, objects, now, plan, times.leaseMs);
      if (stays !== undefined) return keptBecause(planned, ...stays);
      const tombstone = tombstones.get(planned.hash) ?? "";
      tombstones.delete(planned.hash);
      const done = await deleteAll(parts, planned.hash, objects, isOver);
      tombstones.set(planned.hash, tombstone);
      if (!done) return keptBecause(planned, "The time for this round was over; collect again.");
      const { bytes } = folderOf(planned.hash, objects);
      return { entry: { ...entryOf(planned), bytes, deleted: true } };
    });
  } finally {
    // Those that cannot be removed die by themselves.
    await inParallel([...tombstones.values()], (key) => backend.remove(key, never).catch(() => undefined));
  }
}

export function entryOf({ hash, bytes, storedAtUs, newestUs }: Folder): GcEntry {
  const remains = storedAtUs === undefined;
  return { hash, bytes, storedAtUs: storedAtUs ?? newestUs, deleted: false, keptBecause: "", remains };
}

/** All that is to be read after the leases, but for the models' own files. */
async function lookAgain(
  parts: Parts,
  plan: Plan,
  us: number,
  leases: Leases,
  signal: AbortSignal,
): Promise<Now> {
  const { backend, tags } = parts;
  // A tag whose move runs at this moment may be missing in a listing, so that known ones are looked at in any case.
  const moves = await lastMoves(tags, plan.lastMoves.keys(), signal);
  const moved = new Set<string>();
  if (plan.policy.keepMoves > 0 || plan.policy.keepMovedUs > 0) {
    for (const last of moves.values()) {
      const before = plan.lastMoves.get(last.name);
      if (before?.nonce === last.nonce) continue;
      for (const hash of await placesSince(tags, last, before?.seq ?? 0, signal)) moved.add(hash);
    }
  }
  const tagged = new Set([...moves.values()].map(({ hash }) => hash));
  const marks = await marksAt(backend, us, plan.policy.minAgeUs, signal);
  return { us, leases, marks, tagged, moved, pinned: await pinnedHashes(backend, signal) };
}

/** A sentence, and the policy's name for it if there is one; undefined when nothing keeps it. */
function whyItStays(
  planned: Folder,
  objects: readonly ObjectInfo[],
  { us, leases, marks, tagged, moved, pinned }: Now,
  { policy }: Plan,
  leaseMs: number,
): [string, Reason?] | undefined {
  const { hash } = planned;
  const found = folderOf(hash, objects);
  if (tagged.has(hash)) return ["A tag was pointed to it meanwhile.", "tagged"];
  if (pinned.has(hash)) return ["It was pinned meanwhile.", "pinned"];
  if (leases.held.has(hash)) return ["Somebody stores, tags or pins it at this moment.", "leased"];
  if (moved.has(hash)) return ["A tag pointed to it meanwhile.", "moved"];
  if (objects.length === 0) return ["Another collection has deleted it meanwhile."];
  if (isYoung(found, marks, policy, us, leaseMs)) return ["It was stored again meanwhile.", "young"];
  const same =
    found.storedAtUs === planned.storedAtUs &&
    (planned.storedAtUs !== undefined || found.newestUs === planned.newestUs);
  return same ? undefined : ["Its files were written anew meanwhile."];
}

/** False when the time was over before all files were gone. Not cancelled, so that it is known what was done. */
async function deleteAll(
  { backend, times }: Parts,
  hash: string,
  objects: readonly ObjectInfo[],
  isOver: () => boolean,
): Promise<boolean> {
  const metadata = modelKey(hash, FILES.metadata);
  const rest = objects.map(({ key }) => key).filter((key) => key !== metadata);
  // A backend that tries a request again and again must not do so when the tombstone may be dead.
  const patience = AbortSignal.timeout(times.tombstoneMs / 2);
  for (const key of [metadata, ...rest]) {
    if (isOver()) return false;
    await backend.remove(key, patience);
  }
  return true;
}

function keptBecause(planned: Folder, sentence: string, reason?: Reason): Outcome {
  const entry = { ...entryOf(planned), keptBecause: sentence };
  return reason === undefined ? { entry } : { entry, reason };
}
