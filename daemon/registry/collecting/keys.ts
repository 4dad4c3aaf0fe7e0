/**
 * Files by which holders and collectors see each other: which model each is about stands in its name, so that a listing
 * is enough and no file need be read. Each is written once, by one process, under a name of its own.
 *
 *   _leases/<hash>.<uuid>.<n>.json       a lease, renewed for the n-th time
 *   _leases/stored/<hash>.<uuid>.json    a mark: the model was stored again although it was there before
 *   _gc/<hash>.<uuid>.json               a tombstone
 *   _gc/clock.<uuid>.json                tells a collector what time it is at the backend
 *   _pins/<hash>.json                    a pin
 */
import type { ObjectInfo, RegistryBackend } from "@pipekit/adapters/registry";

export const LEASES = "_leases/";
/** Within those of leases, but listed anew after them: a holder leaves its mark and then drops its lease. */
export const MARKS = "_leases/stored/";
export const TOMBSTONES = "_gc/";
export const PINS = "_pins/";

const PAGE = 1000;

export const leaseKey = (hash: string, id: string, n: number): string => `${LEASES}${hash}.${id}.${n}.json`;
export const markKey = (hash: string, id: string): string => `${MARKS}${hash}.${id}.json`;
export const tombstonesOf = (hash: string): string => `${TOMBSTONES}${hash}.`;
export const tombstoneKey = (hash: string, id: string): string => `${tombstonesOf(hash)}${id}.json`;
export const clockKey = (id: string): string => `${TOMBSTONES}clock.${id}.json`;
export const pinKey = (hash: string): string => `${PINS}${hash}.json`;

const HELD = /^_(?:leases|leases\/stored|pins)\/([0-9a-f]{64})\./;

/** The model that a lease, a mark or a pin is about; undefined for a key of another form. */
export function hashOfKey(key: string): string | undefined {
  return HELD.exec(key)?.[1];
}

/** All objects under a prefix. */
export async function scanAll(
  backend: RegistryBackend,
  prefix: string,
  signal: AbortSignal,
): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for (let after: string | undefined; ; ) {
    const page = await backend.scan(prefix, { limit: PAGE, ...(after !== undefined && { after }) }, signal);
    found.push(...page);
    // A page is short as well when objects of it were removed meanwhile: only an empty one is surely the last.
    after = page.at(-1)?.key;
    if (after === undefined) return found;
  }
}
