/** What push and fetch share: the objects of a data set, and the counting of what is moved. */
import type { DatasetProgress, DatasetWork } from "../dataset.ts";
import type { OnBytes } from "../registry.ts";
import { eachOf } from "../workers.ts";
import { isWithin } from "./plan.ts";
import type { WantedObject } from "./remotes/remote.ts";
import type { Repository } from "./repository.ts";
import type { Target } from "./targets.ts";

/** Objects that are looked at in the cache at a time. */
export const LOOKING = 32;

/** What was moved, in objects. */
export interface Transferred {
  readonly objects: number;
  readonly bytes: number;
  /** Objects that were there already. */
  readonly present: number;
}

/** The object of a target itself: a file, or the listing of a folder. */
export function rootOf(repository: Repository, { hash, algorithm, output }: Target): WantedObject {
  return { hash, algorithm, path: output === undefined ? "" : repository.show(output.path) };
}

/** The files of a folder, or of the part of it that is meant; none for a file. Throws DatasetFault unless the cache has its listing. */
export async function filesOf(repository: Repository, target: Target): Promise<readonly WantedObject[]> {
  const { hash, algorithm, within } = target;
  if (!hash.endsWith(".dir")) return [];
  const { path: folder } = rootOf(repository, target);
  const entries = await repository.cache.listing(hash, algorithm);
  return entries
    .filter(({ relpath }) => isWithin(relpath, within))
    .map(({ md5, relpath }) => ({
      hash: md5,
      algorithm,
      path: folder === "" ? relpath : `${folder}/${relpath}`,
    }));
}

/** Those that the cache lacks, in their order. */
export async function missing(
  { cache }: Repository,
  objects: readonly WantedObject[],
  signal: AbortSignal,
): Promise<readonly WantedObject[]> {
  const lacking = new Set<WantedObject>();
  const look = async (object: WantedObject): Promise<void> => {
    if (!(await cache.has(object.hash, object.algorithm))) lacking.add(object);
  };
  await eachOf(objects, LOOKING, look, signal);
  return objects.filter((object) => lacking.has(object));
}

export function isListing({ hash }: WantedObject): boolean {
  return hash.endsWith(".dir");
}

/** Whether a remote that is named, if any, is one that a target may lie in. */
export function mayLieIn(target: Target, remote: string): boolean {
  const own = target.output?.remote ?? "";
  return own === "" || remote === "" || own.toLowerCase() === remote.toLowerCase();
}

/** One object under several names is one object. */
export function distinct(objects: readonly WantedObject[]): readonly WantedObject[] {
  const byHash = new Map<string, WantedObject>();
  for (const object of objects) {
    const key = `${object.algorithm} ${object.hash}`;
    if (!byHash.has(key)) byHash.set(key, object);
  }
  return [...byHash.values()];
}

/** Names an object in sentences. */
export function named({ hash, path }: WantedObject): string {
  return path === "" ? `the object ${hash}` : `${path} (${hash})`;
}

/** Counts what is moved, and tells of it. */
export class Tally {
  readonly #phase: string;
  readonly #onProgress: (progress: DatasetProgress) => void;
  #filesTotal = 0;
  #bytesTotal = 0;
  #filesDone = 0;
  #bytesDone = 0;
  #movedBytes = 0;

  constructor(phase: string, { onProgress }: DatasetWork) {
    this.#phase = phase;
    this.#onProgress = onProgress;
  }

  /** More is to be moved. Bytes: 0 when unknown. */
  expect(files: number, bytes: number): void {
    this.#filesTotal += files;
    this.#bytesTotal += bytes;
    this.#tell();
  }

  /** Runs the moving of one object; a try that is repeated counts once. */
  async moving(move: (onBytes: OnBytes) => Promise<boolean>): Promise<boolean> {
    let counted = 0;
    const count = (bytes: number): void => {
      this.#bytesDone += bytes - counted;
      counted = bytes;
      this.#tell();
    };
    let isMoved = false;
    try {
      isMoved = await move(count);
    } finally {
      if (!isMoved) count(0);
    }
    if (isMoved) {
      this.#filesDone++;
      this.#movedBytes += counted;
      this.#tell();
    }
    return isMoved;
  }

  get objects(): number {
    return this.#filesDone;
  }

  get bytes(): number {
    return this.#movedBytes;
  }

  #tell(): void {
    this.#onProgress({
      phase: this.#phase,
      bytesDone: this.#bytesDone,
      bytesTotal: Math.max(this.#bytesTotal, this.#bytesTotal === 0 ? 0 : this.#bytesDone),
      filesDone: this.#filesDone,
      filesTotal: this.#filesTotal,
    });
  }
}
