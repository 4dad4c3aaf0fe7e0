/**
 * What refers to models: tags, their histories, pins. A file that cannot be read is no reason to go on without it.
 *
 * An entry that is missing in a log is made up for by the next one, which says where the tag pointed before.
 */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { type LoggedMove, logKey } from "../tag-file.ts";
import type { Tags } from "../tags.ts";
import { doubt } from "./doubt.ts";
import { hashOfKey, PINS, scanAll } from "./keys.ts";
import { inParallel } from "./parallel.ts";
import type { Policy } from "./policy.ts";

/** Entries of a log that are read at once. */
const AT_ONCE = 16;

/** The last moves of all tags by name, deleted ones too. `known` are names that must be looked at in any case. */
export async function lastMoves(
  tags: Tags,
  known: Iterable<string>,
  signal: AbortSignal,
): Promise<Map<string, LoggedMove>> {
  const names = [...new Set([...known, ...(await tags.names(signal))])];
  const moves = await inParallel(names, (name) => tags.current(name, signal));
  const found = new Map<string, LoggedMove>();
  for (const move of moves) if (move !== undefined) found.set(move.name, move);
  return found;
}

/** Hashes of the models that are pinned: it is the name of a pin that counts. Throws GC_ABORTED. */
export async function pinnedHashes(backend: RegistryBackend, signal: AbortSignal): Promise<Set<string>> {
  const hashes = new Set<string>();
  for (const { key } of await scanAll(backend, PINS, signal)) {
    const hash = hashOfKey(key);
    if (hash === undefined) {
      throw doubt(
        `the file ${key} is no pin that it knows`,
        key,
        "Remove the file, or collect with a newer version.",
      );
    }
    hashes.add(hash);
  }
  return hashes;
}

/** Hashes that the policy keeps for the sake of the tag's history. Throws CORRUPT_MODEL, GC_ABORTED. */
export async function recentPlaces(
  tags: Tags,
  last: LoggedMove,
  policy: Policy,
  nowUs: number,
  signal: AbortSignal,
): Promise<string[]> {
  const places: string[] = [];
  let leftAtUs = Number.POSITIVE_INFINITY;
  for await (const { hash, atUs } of backwards(tags, last, 0, signal)) {
    // The tag pointed there until the move after it was made, by the clock of its mover, which may be ahead.
    const isLate = policy.keepMovedUs === 0 || leftAtUs <= nowUs - policy.keepMovedUs;
    if (places.length >= policy.keepMoves && isLate) break;
    if (hash !== "") places.push(hash);
    leftAtUs = atUs ?? leftAtUs;
  }
  return places;
}

/** Hashes that the tag led to after its move `afterSeq`. */
export async function placesSince(
  tags: Tags,
  last: LoggedMove,
  afterSeq: number,
  signal: AbortSignal,
): Promise<string[]> {
  const places: string[] = [];
  for await (const { hash } of backwards(tags, last, afterSeq, signal)) if (hash !== "") places.push(hash);
  return places;
}

/** The moves after number `afterSeq`, newest first. */
async function* backwards(
  tags: Tags,
  last: LoggedMove,
  afterSeq: number,
  signal: AbortSignal,
): AsyncGenerator<{ readonly hash: string; readonly atUs: number | undefined }> {
  yield last;
  let next: LoggedMove | undefined = last;
  for (let end = last.seq - 1; end > afterSeq; end -= AT_ONCE) {
    const seqs = Array.from({ length: Math.min(AT_ONCE, end - afterSeq) }, (_, i) => end - i);
    const moves = await inParallel(seqs, (seq) => tags.moveAt(last, seq, signal));
    for (const [i, move] of moves.entries()) {
      if (move === undefined && next === undefined) {
        const key = logKey(last.name, seqs[i] ?? 0);
        throw doubt(
          `${key} and the entry after it are missing`,
          key,
          "Restore them from a backup, or delete the tag's log.",
        );
      }
      yield move ?? { hash: next?.previousHash ?? "", atUs: undefined };
      next = move;
    }
  }
}
