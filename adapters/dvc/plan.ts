/** What a checkout is going to do at one place: pure, from what is wanted and what is there. */
import type { Algorithm } from "./cache.ts";
import type { ListingEntry } from "./listing.ts";
import type { DataFile, DataTree } from "./tree.ts";

/** Data that is to lie somewhere. */
export interface Wanted {
  /** Absolute path. */
  readonly path: string;
  readonly algorithm: Algorithm;
  readonly isFolder: boolean;
  /** Its files; of a file one, whose path is empty. */
  readonly entries: readonly ListingEntry[];
  /** The part that is touched, relative to `path`; empty for all. */
  readonly within: string;
  /** Of a file. */
  readonly isExecutable: boolean;
}

/** Something that is overwritten or removed. */
export interface Loss {
  /** Relative to the place; empty for the file at it. */
  readonly relpath: string;
  /** Its hash; undefined for what is no data, such as a link to a folder. */
  readonly md5: string | undefined;
}

export interface Plan {
  readonly wanted: Wanted;
  /** Whether nothing is at the place. */
  readonly isFresh: boolean;
  /** Whether a folder is in the way of a file. */
  readonly isFolderInTheWay: boolean;
  /** Files and links that go, relative; empty for the file at the place. */
  readonly removals: readonly string[];
  readonly placements: readonly ListingEntry[];
  readonly losses: readonly Loss[];
  /** Files that are as they should be. */
  readonly unchanged: number;
  /** Files that are there, by relative path. */
  readonly seen: ReadonlyMap<string, DataFile>;
}

/** `current`: MD5 by relative path of what `tree` has; a tree that is undefined is nothing. */
export function planFor(
  wanted: Wanted,
  tree: DataTree | undefined,
  current: ReadonlyMap<string, string>,
): Plan {
  const entries = wanted.entries.filter(({ relpath }) => isWithin(relpath, wanted.within));
  const seen = new Map((tree?.files ?? []).map((file) => [file.relpath, file]));
  const base = { wanted, isFresh: tree === undefined, isFolderInTheWay: false, unchanged: 0, seen };
  if (tree === undefined) return { ...base, removals: [], placements: entries, losses: [] };
  if (tree.isFolder !== wanted.isFolder) {
    const removals = [...current.keys(), ...tree.folderLinks];
    const losses = removals.map((relpath) => ({ relpath, md5: current.get(relpath) }));
    return { ...base, isFolderInTheWay: tree.isFolder, removals, placements: entries, losses };
  }
  const wantedMd5 = new Map(entries.map(({ relpath, md5 }) => [relpath, md5]));
  const placements = entries.filter(({ relpath, md5 }) => current.get(relpath) !== md5);
  const removals = [...current.keys()].filter(
    (relpath) => isWithin(relpath, wanted.within) && !wantedMd5.has(relpath),
  );
  const links = tree.folderLinks.filter((link) => entries.some(({ relpath }) => isWithin(relpath, link)));
  const replaced = placements.filter(({ relpath }) => current.has(relpath)).map(({ relpath }) => relpath);
  const losses = [...removals, ...replaced, ...links].map((relpath) => ({
    relpath,
    md5: current.get(relpath),
  }));
  return {
    ...base,
    removals: [...removals, ...links],
    placements,
    losses,
    unchanged: entries.length - placements.length,
  };
}

/** The data instead of a link that is none of it, and goes. */
export function planInsteadOf(wanted: Wanted): Plan {
  return {
    wanted,
    isFresh: false,
    isFolderInTheWay: false,
    removals: [""],
    placements: wanted.entries.filter(({ relpath }) => isWithin(relpath, wanted.within)),
    losses: [{ relpath: "", md5: undefined }],
    unchanged: 0,
    seen: new Map(),
  };
}

/** Whether a relative path is, or lies in, the part that is meant. */
export function isWithin(relpath: string, within: string): boolean {
  return within === "" || relpath === within || relpath.startsWith(`${within}/`);
}
