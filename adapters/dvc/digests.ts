/** The digests of all files of a data set, from memory where they look as they did, else by reading them. */
import { createHash } from "node:crypto";
import type { DatasetWork } from "../dataset.ts";
import type { Algorithm } from "./cache.ts";
import type { FileDigest } from "./digest-file.ts";
import { hashFiles } from "./hashing.ts";
import { byPath, formatSorted, listingHash } from "./listing.ts";
import type { Memory } from "./memory.ts";
import type { DataFile, DataTree } from "./tree.ts";

/** A data set's files with their digests, and what DVC calls the whole. */
export interface DigestedTree {
  readonly hash: string;
  /** As dataset.proto defines it. */
  readonly sha256: string;
  /** Bytes of all files. */
  readonly size: number;
  /** The listing's bytes; empty for a file. */
  readonly listing: Buffer;
  readonly files: readonly DigestedFile[];
}

export interface DigestedFile extends DataFile {
  readonly digest: FileDigest;
}

/** Which hashes of a file's are asked for. Without `sha256` those that are not known stay empty. */
export interface WantedHashes {
  readonly algorithm: Algorithm;
  readonly sha256: boolean;
}

/** Digests a tree as `digestFiles` does its files. */
export async function digestTree(
  tree: DataTree,
  memory: Memory,
  work: DatasetWork,
  wanted: WantedHashes,
): Promise<DigestedTree> {
  return joined(tree.isFolder, await digestFiles(tree, memory, work, wanted));
}

/**
 * Digests the files of a tree, in its order, and remembers what it read; the MD5 of another algorithm is not remembered.
 * Throws DatasetFault `unreadable`.
 */
export async function digestFiles(
  tree: DataTree,
  memory: Memory,
  work: DatasetWork,
  { algorithm, sha256 }: WantedHashes,
): Promise<readonly DigestedFile[]> {
  const known = tree.files.map(({ stamp }) => {
    const digest = algorithm === "md5" ? memory.find(stamp) : undefined;
    return sha256 && digest?.sha256 === "" ? undefined : digest;
  });
  const unknown = tree.files.filter((_, index) => known[index] === undefined);
  const count = new Counted("hashing", unknown, work);
  const jobs = unknown.map(({ path, stamp }) => ({
    path,
    md5: algorithm,
    sha256,
    size: Number(stamp.size),
  }));
  const read = await hashFiles(jobs, work.signal, count.onBytes, count.onFile);
  if (algorithm === "md5") await memory.remember(paired(unknown, read));
  const fresh = read.values();
  const digests = known.flatMap((digest) => digest ?? fresh.next().value ?? []);
  return paired(tree.files, digests);
}

/** Files with their digests, in the same order. */
function paired(files: readonly DataFile[], digests: readonly FileDigest[]): readonly DigestedFile[] {
  return files.flatMap((file, index) => {
    const digest = digests[index];
    return digest === undefined ? [] : [{ ...file, digest }];
  });
}

/** What the digests of files are together. */
export function joined(isFolder: boolean, files: readonly DigestedFile[]): DigestedTree {
  const size = files.reduce((sum, { digest }) => sum + Number(digest.stamp.size), 0);
  if (!isFolder) {
    const digest = files[0]?.digest;
    return { hash: digest?.md5 ?? "", sha256: digest?.sha256 ?? "", size, listing: Buffer.alloc(0), files };
  }
  const sorted = files.toSorted(byPath);
  const listing = formatSorted(sorted.map(({ relpath, digest }) => ({ relpath, md5: digest.md5 })));
  const sha256 = createHash("sha256");
  for (const { relpath, digest } of sorted) sha256.update(`${digest.sha256}  ${relpath}\n`);
  return { hash: listingHash(listing), sha256: sha256.digest("hex"), size, listing, files };
}

/** Counts files and bytes for the progress. */
export class Counted {
  readonly #phase: string;
  readonly #work: DatasetWork;
  readonly #bytesTotal: number;
  readonly #filesTotal: number;
  #bytesDone = 0;
  #filesDone = 0;

  constructor(phase: string, files: readonly Pick<DataFile, "stamp">[], work: DatasetWork) {
    this.#phase = phase;
    this.#work = work;
    this.#bytesTotal = files.reduce((sum, { stamp }) => sum + Number(stamp.size), 0);
    this.#filesTotal = files.length;
  }

  readonly onBytes = (bytes: number): void => {
    this.#bytesDone += bytes;
    this.#tell();
  };

  readonly onFile = (): void => {
    this.#filesDone++;
    this.#tell();
  };

  #tell(): void {
    this.#work.onProgress({
      phase: this.#phase,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#bytesTotal,
      filesDone: this.#filesDone,
      filesTotal: this.#filesTotal,
    });
  }
}
