/**
 * Which of many objects a bucket has, by few listings. A page lists a thousand keys from just before a wanted one, and
 * settles all wanted ones within it; the next page begins at the first that is not settled. So there are never more pages
 * than the bucket has, nor more than objects are wanted; where the wanted ones lie far apart, they are asked for one by one.
 */
import type { ListedPage } from "../../s3/objects.ts";
import { runWorkers } from "../../workers.ts";

/** What is asked of a bucket. */
export interface Listed {
  list(after: string, signal: AbortSignal): Promise<ListedPage>;
  size(key: string, signal: AbortSignal): Promise<number | undefined>;
}

/** A page that settles fewer costs more than asking for each. */
const WORTH_A_PAGE = 8;
/** Wanted keys that one worker looks for, at least. */
const LEAST_SPAN = 64;

/** Sizes by key of those that are there. The keys are ASCII. */
export async function findInListings(
  bucket: Listed,
  keys: readonly string[],
  workers: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  const sorted = [...new Set(keys)].sort();
  const span = Math.max(LEAST_SPAN, Math.ceil(sorted.length / workers));
  let next = 0;
  const looker = async (stop: AbortSignal): Promise<void> => {
    const mine = sorted.slice(next, next + span);
    next += span;
    await settle(bucket, mine, found, stop);
  };
  await runWorkers(Math.ceil(sorted.length / span), looker, signal);
  return found;
}

async function settle(
  bucket: Listed,
  keys: readonly string[],
  found: Map<string, number>,
  signal: AbortSignal,
): Promise<void> {
  let done = 0;
  let isDense = true;
  for (let key = keys[done]; key !== undefined; key = keys[done]) {
    if (!isDense) {
      const size = await bucket.size(key, signal);
      if (size !== undefined) found.set(key, size);
      done++;
      continue;
    }
    // The key without its last character comes just before it.
    const { objects, isLast } = await bucket.list(key.slice(0, -1), signal);
    const sizes = new Map(objects.map((object) => [object.key, object.size]));
    const settled = isLast ? keys.slice(done) : upTo(keys, done, objects.at(-1)?.key ?? "");
    for (const wanted of settled) {
      const size = sizes.get(wanted);
      if (size !== undefined) found.set(wanted, size);
    }
    done += settled.length;
    isDense = settled.length >= WORTH_A_PAGE;
  }
}

/** The keys from index `start` on that are not behind `last`. */
function upTo(keys: readonly string[], start: number, last: string): readonly string[] {
  const end = keys.findIndex((key, index) => index >= start && key > last);
  return keys.slice(start, end === -1 ? undefined : end);
}
