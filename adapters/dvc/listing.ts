/**
 * A folder's listing, the `.dir` object of DVC: a JSON array of `{"md5", "relpath"}` sorted by path, byte for byte what
 * Python's `json.dumps(entries, sort_keys=True)` writes (dvc_data/hashfile/tree.py, `Tree.as_bytes`).
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { DatasetFault } from "../dataset.ts";

/** A file of a folder. */
export interface ListingEntry {
  /** Relative to the folder, forward slashes. */
  readonly relpath: string;
  /** Lowercase hex. */
  readonly md5: string;
}

const LISTING = z.array(
  z.looseObject({ md5: z.string().regex(/^[0-9a-f]{32}$/), relpath: z.string().min(1) }),
);

/** Orders by path. */
export function byPath(a: Pick<ListingEntry, "relpath">, b: Pick<ListingEntry, "relpath">): number {
  return byCodePoint(a.relpath, b.relpath);
}

/** Orders strings by code points, as Python does. JavaScript's own order is by UTF-16 units, and differs beyond U+FFFF. */
function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [left, right] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

/** A surrogate stands for a code point above all those that one unit can write. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** The listing's bytes; the entries in any order. */
export function formatListing(entries: readonly ListingEntry[]): Buffer {
  return formatSorted(entries.toSorted(byPath));
}

/** The same of entries that are in order. */
export function formatSorted(entries: readonly ListingEntry[]): Buffer {
  const items = entries.map(({ md5, relpath }) => `{"md5": ${quoted(md5)}, "relpath": ${quoted(relpath)}}`);
  return Buffer.from(`[${items.join(", ")}]`, "ascii");
}

/** The hash of a listing: MD5 of its bytes, and `.dir`. */
export function listingHash(bytes: Uint8Array): string {
  return `${createHash("md5").update(bytes).digest("hex")}.dir`;
}

/** Reads a listing. Throws DatasetFault `corrupt` that names `path`, also for entries that lead out of the folder or are in each other's way. */
export function parseListing(bytes: Buffer, path: string): readonly ListingEntry[] {
  let entries: readonly ListingEntry[];
  try {
    entries = LISTING.parse(JSON.parse(bytes.toString("utf8")));
  } catch (cause) {
    throw unreadable(path, "is no listing of a folder", cause);
  }
  const all = new Set(entries.map(({ relpath }) => relpath));
  if (all.size < entries.length) throw unreadable(path, "names a file twice");
  for (const { relpath } of entries) {
    const fault = faultOf(relpath, all);
    if (fault !== undefined)
      throw unreadable(path, `names the file ${JSON.stringify(relpath)}, which ${fault}`);
  }
  return entries;
}

/** Why a listing is not to be followed; undefined when nothing is wrong with a path of it. */
function faultOf(relpath: string, all: ReadonlySet<string>): string | undefined {
  if (leadsOut(relpath)) return "is not in its folder";
  if (isOfTools(relpath)) return "is one of Git's or DVC's own";
  // DVC writes so what is no UTF-8. Here it would become another name, and many would become one.
  if (!relpath.isWellFormed()) return "has a name that is no UTF-8";
  for (let at = relpath.lastIndexOf("/"); at > 0; at = relpath.lastIndexOf("/", at - 1)) {
    if (all.has(relpath.slice(0, at))) return "lies in another file";
  }
  return undefined;
}

/** Whether a relative path is no plain way down. */
function leadsOut(relpath: string): boolean {
  return (
    relpath.split("/").some((part) => part === "" || part === "." || part === "..") || relpath.includes("\0")
  );
}

/** Whether a path is, or leads through, a folder of Git's or DVC's: what lies there is obeyed, and never data. */
export function isOfTools(path: string): boolean {
  return path.split("/").some((part) => part === ".git" || part === ".dvc");
}

function unreadable(path: string, fault: string, cause?: unknown): DatasetFault {
  return new DatasetFault("corrupt", `${path} ${fault}.`, {
    field: path,
    mend: "Remove it, and fetch it again from a remote.",
    cause,
  });
}

/** Python writes printable ASCII alone: everything else as `\uXXXX` of each UTF-16 unit. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
