/** What died on the way: versions whose files are gone, and temporary files of this host. */

import type { Litter } from "@pipekit/adapters/registry";
import type { Compared } from "./differences.ts";
import { spoolLitter } from "./spool.ts";

/**
 * Files without a metadata.json are objects like others, and not told here. A version is made after its files and
 * deleted after them: one without them is what a collector that died has left.
 */
export async function* findLitter(
  { versions, files }: Compared,
  scratch: string,
  options: { readonly olderThanMs: number; readonly remove: boolean },
  signal: AbortSignal,
): AsyncGenerator<Litter> {
  yield* spoolLitter(scratch, options, signal);
  // Versions first: what is stored meanwhile is in the list, and not taken for gone.
  const old: { number: string; hash: string }[] = [];
  for await (const version of versions.all(signal)) {
    if (Date.now() - version.updatedMs > options.olderThanMs) old.push(version);
  }
  if (old.length === 0) return;
  const stored = new Set((await files.list("", signal)).map(({ name }) => name));
  for (const { number, hash } of old) {
    if (stored.has(hash)) continue;
    if (options.remove) {
      await versions.delete(number, signal);
      versions.forget(hash);
    }
    yield { what: `version ${number} in MLflow without files`, bytes: 0 };
  }
}
