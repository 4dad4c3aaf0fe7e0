/**
 * Bringing what the cache lacks from remotes. A folder's listing comes first, since it names the files. Every object is
 * checked against its name before the cache has it; what is there is not fetched again, also after a kill.
 */
import type { DatasetWork } from "../dataset.ts";
import type { Remotes } from "./remotes/opening.ts";
import type { Repository } from "./repository.ts";
import { Search } from "./search.ts";
import type { Target } from "./targets.ts";
import {
  distinct,
  filesOf,
  isListing,
  mayLieIn,
  missing,
  rootOf,
  Tally,
  type Transferred,
} from "./transfer.ts";

/**
 * Fetches from the remote named; else from each target's own; else from the default one, then all others. Throws
 * DatasetFault: `not-found` that names object and remotes, `corrupt`, `remote`.
 */
export async function fetchTargets(
  repository: Repository,
  remotes: Remotes,
  targets: readonly Target[],
  remote: string,
  work: DatasetWork,
): Promise<Transferred> {
  // A wrong name is told also when nothing is missing.
  if (remote !== "") await remotes.open(remote);
  const meant = targets.filter((target) => mayLieIn(target, remote));
  const groups = Map.groupBy(meant, ({ output }) => remote || output?.remote || "");
  const tally = new Tally("fetching", work);
  let present = 0;
  for (const [name, group] of groups) {
    const search = new Search(repository, remotes, name, tally, work.signal);
    const roots = distinct(group.map((target) => rootOf(repository, target)));
    const listings = roots.filter(isListing);
    const missingListings = await missing(repository, listings, work.signal);
    tally.expect(missingListings.length, 0);
    await search.fetchAll(missingListings);
    const inFolders = await Promise.all(group.map((target) => filesOf(repository, target)));
    const files = distinct([...roots.filter((root) => !isListing(root)), ...inFolders.flat()]);
    const missingFiles = await missing(repository, files, work.signal);
    tally.expect(missingFiles.length, missingFiles.length === files.length ? sizeOf(group) : 0);
    await search.fetchAll(missingFiles);
    present += listings.length + files.length - missingListings.length - missingFiles.length;
  }
  return { objects: tally.objects, bytes: tally.bytes, present };
}

/** Bytes of all data, as recorded; 0 when some of it is not known, or only a part of it is meant. */
function sizeOf(targets: readonly Target[]): number {
  const sizes = targets.map(({ output, within }) => (within === "" ? output?.size : undefined));
  return sizes.reduce<number>((sum, size) => sum + (size ?? Number.NaN), 0) || 0;
}
