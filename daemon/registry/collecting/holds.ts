/** Which models are held by leases, and by marks of having been stored again. */
import type { ObjectInfo, RegistryBackend } from "@pipekit/adapters/registry";
import type { Times } from "./clock.ts";
import { doubt } from "./doubt.ts";
import { hashOfKey, LEASES, MARKS, scanAll } from "./keys.ts";
import { DEFAULT_MIN_AGE_US } from "./policy.ts";

export interface Leases {
  /** Hashes of the models that somebody works on. */
  readonly held: ReadonlySet<string>;
  /** Files of holders that died. */
  readonly dead: readonly ObjectInfo[];
}

export interface Marks {
  /** Hashes of the models that count as young. */
  readonly held: ReadonlySet<string>;
  /** Files that count for no usual policy any more. */
  readonly dead: readonly ObjectInfo[];
}

/** `nowUs` is the time at the backend. Throws GC_ABORTED for a file that is not understood. */
export async function leasesAt(
  backend: RegistryBackend,
  nowUs: number,
  { leaseMs }: Times,
  signal: AbortSignal,
): Promise<Leases> {
  const files = await scanAll(backend, LEASES, signal);
  return judge(
    files.filter(({ key }) => !key.startsWith(MARKS)),
    nowUs - leaseMs * 1000,
    nowUs - leaseMs * 1000,
  );
}

/** The same of marks. */
export async function marksAt(
  backend: RegistryBackend,
  nowUs: number,
  minAgeUs: number,
  signal: AbortSignal,
): Promise<Marks> {
  const files = await scanAll(backend, MARKS, signal);
  // A policy that keeps nothing young must not take away what the next one keeps.
  return judge(files, nowUs - minAgeUs + 1, nowUs - Math.max(minAgeUs, DEFAULT_MIN_AGE_US));
}

function judge(files: readonly ObjectInfo[], heldSinceUs: number, deadBeforeUs: number): Leases {
  const held = new Set<string>();
  const dead: ObjectInfo[] = [];
  for (const file of files) {
    const hash = hashOfKey(file.key);
    if (hash === undefined) {
      const mend = "Remove the file, or collect with a newer version.";
      throw doubt(`the file ${file.key} is no lease that it knows`, file.key, mend);
    }
    if (file.modifiedAtUs >= heldSinceUs) held.add(hash);
    if (file.modifiedAtUs < deadBeforeUs) dead.push(file);
  }
  return { held, dead };
}
