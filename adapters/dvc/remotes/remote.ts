/** A place that keeps objects for many repositories, under keys that follow from their hashes. */
import type { OnBytes } from "../../registry.ts";
import type { Algorithm } from "../cache.ts";
import { md5OfFile } from "../digest.ts";

/** An object, and what it is in a data set. */
export interface WantedObject {
  readonly hash: string;
  readonly algorithm: Algorithm;
  /** Path of the data in the repository, for sentences. */
  readonly path: string;
}

/** What push and pull need of a remote. Its methods throw DatasetFault `remote` when it is away or permits too little. */
export interface Remote {
  readonly name: string;
  /** Its address, for sentences; holds no secret. */
  readonly place: string;
  /** Requests that it takes at a time. */
  readonly jobs: number;
  /** Sizes in bytes of the objects that it has under these keys. */
  sizes(keys: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, number>>;
  /**
   * Makes the file at `path` the object of the key, whole or not at all, in place of what is there. Throws WrongBytes, with
   * nothing sent, when the MD5 of the file is another.
   */
  send(
    key: string,
    path: string,
    md5: string | undefined,
    signal: AbortSignal,
    onBytes: OnBytes,
  ): Promise<void>;
  /** Writes the object to the new file `path`, unchecked. False when there is none. */
  fetch(key: string, path: string, signal: AbortSignal, onBytes: OnBytes): Promise<boolean>;
  /** Lets go of what it holds. No call may follow. */
  close(): void;
}

/** A file whose bytes are not what its name says. */
export class WrongBytes extends Error {
  readonly md5: string;
  constructor(md5: string) {
    super(`The MD5 of the bytes is ${md5}.`);
    this.name = "WrongBytes";
    this.md5 = md5;
  }
}

/** Throws WrongBytes for a file of another MD5. */
export async function checkMd5(path: string, md5: string): Promise<void> {
  const found = await md5OfFile(path);
  if (found !== md5) throw new WrongBytes(found);
}

/** Where DVC 3 keeps an object of a remote, and where DVC 2 did. */
export function keyOf(hash: string, algorithm: Algorithm): string {
  const tail = `${hash.slice(0, 2)}/${hash.slice(2)}`;
  return algorithm === "md5" ? `files/md5/${tail}` : tail;
}

/** The MD5 of the bytes under a key; undefined for DVC 2's, whose hashes are not of the bytes alone. */
export function md5Of(key: string): string | undefined {
  const [, folder = "", name = ""] = /^files\/md5\/([0-9a-f]{2})\/([0-9a-f]{30})(?:\.dir)?$/.exec(key) ?? [];
  return folder === "" ? undefined : folder + name;
}

/** Keys under which an object may lie, the likely one first: data that was pushed by DVC 2 has not moved since. */
export function keysOf({ hash, algorithm }: WantedObject): readonly string[] {
  return algorithm === "md5" ? [keyOf(hash, "md5"), keyOf(hash, "md5-dos2unix")] : [keyOf(hash, algorithm)];
}
