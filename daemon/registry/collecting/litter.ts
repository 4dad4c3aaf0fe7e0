/** What died without tidying up: leases, tombstones, uploads and temporary files. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { modelOfEntry, WEIGHTS_INDEX } from "../sharing.ts";
import { leasesAt, marksAt } from "./holds.ts";
import { scanAll, TOMBSTONES } from "./keys.ts";
import { inParallel } from "./parallel.ts";
import type { Parts } from "./parts.ts";

/** No upload and no temporary file takes so long. */
const STALE_MS = 24 * 60 * 60 * 1000;

/** Counts litter and, with `remove`, removes it. `nowUs` is the time at the backend. */
export async function tidy(
  { backend, times }: Parts,
  nowUs: number,
  minAgeUs: number,
  remove: boolean,
  signal: AbortSignal,
): Promise<{ count: number; bytes: number }> {
  const leases = await leasesAt(backend, nowUs, times, signal);
  const marks = await marksAt(backend, nowUs, minAgeUs, signal);
  // Their collectors have stopped deleting long ago: holders take no notice of them any more.
  const tombstones = (await scanAll(backend, TOMBSTONES, signal)).filter(
    ({ modifiedAtUs }) => nowUs - modifiedAtUs > times.tombstoneMs * 1000,
  );
  const files = [...leases.dead, ...marks.dead, ...tombstones];
  if (remove) await inParallel(files, ({ key }) => backend.remove(key, signal));
  let count = files.length;
  let bytes = files.reduce((sum, { size }) => sum + size, 0);
  for await (const litter of backend.litter({ olderThanMs: STALE_MS, remove }, signal)) {
    count += 1;
    bytes += litter.bytes;
  }
  return { count, bytes };
}

/** Removes what the index of weights says of models that are gone. */
export async function forgetWeights(
  backend: RegistryBackend,
  gone: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  if (gone.size === 0) return;
  const entries = await scanAll(backend, WEIGHTS_INDEX, signal);
  const stale = entries.filter(({ key }) => gone.has(modelOfEntry(key) ?? ""));
  await inParallel(stale, ({ key }) => backend.remove(key, signal));
}
