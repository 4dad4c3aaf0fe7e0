/** Where data may be put: never where files of Git's or DVC's own are, nor where a record leads out of its repository. */
import { lstat } from "node:fs/promises";
import { dirname, isAbsolute, relative, sep } from "node:path";
import { DatasetFault } from "../dataset.ts";
import { isMissing } from "../file-faults.ts";
import { isOfTools } from "./listing.ts";
import type { RecordedOutput } from "./records.ts";
import type { Repository } from "./repository.ts";

/** Where data of a bare hash may go. Throws DatasetFault `invalid` for a place that is not for data. */
export function placeFor(repository: Repository, path: string): string {
  const place = repository.resolve(path);
  const isAbove = repository.root === place || repository.root.startsWith(place === sep ? sep : place + sep);
  if (path === "" || path.includes("\0") || isAbove || isOfTools(repository.show(place))) {
    throw new DatasetFault("invalid", `The data cannot be put at ${path || "an empty path"}.`, {
      field: "path",
      mend: `Name a path in ${repository.root} or elsewhere that is for data alone.`,
    });
  }
  return isAbsolute(path) ? path.replace(/(?<=.)\/+$/, "") : place;
}

/**
 * The place of recorded data. Throws DatasetFault `invalid` for a record, which may be a stranger's, of what lies outside of
 * the repository, behind a link, or among files of Git's or DVC's own.
 */
export async function recordedPlace(repository: Repository, { path, file }: RecordedOutput): Promise<string> {
  const refused = (why: string): DatasetFault =>
    new DatasetFault(
      "invalid",
      `The data that ${repository.show(file)} records cannot be put at ${path}: ${why}.`,
      {
        field: file,
        mend: "Correct the path in that file, or check the data out by its hash to another path.",
      },
    );
  if (path === repository.root || !repository.contains(path)) throw refused("that is not in the repository");
  if (isOfTools(relative(repository.root, path))) throw refused("that is for files of Git's or DVC's own");
  const link = await linkAbove(repository.root, path);
  if (link !== undefined) throw refused(`${link} is a symbolic link`);
  return path;
}

/** A link among the folders from the root down to a path; undefined when there is none. */
async function linkAbove(root: string, path: string): Promise<string | undefined> {
  let found: string | undefined;
  for (let folder = dirname(path); folder !== root; folder = dirname(folder)) {
    const isLink = await lstat(folder).then(
      (info) => info.isSymbolicLink(),
      (error: unknown) => {
        if (isMissing(error)) return false;
        throw error;
      },
    );
    if (isLink) found = folder;
  }
  return found;
}
