/** A remote in a bucket. Only this file, and what it imports, loads the AWS SDK: it is imported when one is opened. */

import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { ObjectMissing, type OnBytes } from "../../registry.ts";
import { S3Objects, type S3Place, type Tuning } from "../../s3/objects.ts";
import { eachOf } from "../../workers.ts";
import { ofServer } from "./faults.ts";
import { findInListings } from "./finding.ts";
import { checkMd5, type Remote, WrongBytes } from "./remote.ts";

/** Smaller than for models: each of many senders holds a file of this size in memory. */
const TUNING: Partial<Tuning> = { multipartFrom: 8 * 1024 * 1024 };
/** Up to so many objects are asked for one by one. */
const FEW = 64;

export interface BucketSettings {
  readonly name: string;
  /** `s3://bucket/prefix`, for sentences. */
  readonly place: string;
  readonly bucket: S3Place;
  /** With the credentials to use. */
  readonly env: NodeJS.ProcessEnv;
  readonly jobs: number;
}

export class BucketRemote implements Remote {
  readonly name: string;
  readonly place: string;
  readonly jobs: number;
  readonly #objects: S3Objects;

  constructor({ name, place, bucket, env, jobs }: BucketSettings) {
    this.name = name;
    this.place = place;
    this.jobs = jobs;
    this.#objects = new S3Objects(bucket, env, TUNING);
  }

  async sizes(keys: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    return this.#guarded(async () => {
      if (keys.length > FEW) return findInListings(this.#objects, keys, this.jobs, signal);
      const found = new Map<string, number>();
      const look = async (key: string, stop: AbortSignal): Promise<void> => {
        const size = await this.#objects.size(key, stop);
        if (size !== undefined) found.set(key, size);
      };
      await eachOf(keys, this.jobs, look, signal);
      return found;
    });
  }

  async send(
    key: string,
    path: string,
    md5: string | undefined,
    signal: AbortSignal,
    onBytes: OnBytes,
  ): Promise<void> {
    const { size } = await stat(path);
    if (size < this.#objects.largeFrom) {
      const bytes = await readFile(path, { signal });
      if (md5 !== undefined) {
        const found = createHash("md5").update(bytes).digest("hex");
        if (found !== md5) throw new WrongBytes(found);
      }
      await this.#guarded(() => this.#objects.put(key, bytes, signal));
      return onBytes(size, size);
    }
    if (md5 !== undefined) await checkMd5(path, md5);
    await this.#guarded(async () => {
      // A large object is kept if it is there; one of another size is not ours, whatever its name says.
      const there = await this.#objects.size(key, signal);
      if (there !== undefined && there !== size) await this.#objects.remove(key, signal);
      await this.#objects.send(key, path, size, signal, onBytes);
    });
  }

  async fetch(key: string, path: string, signal: AbortSignal, onBytes: OnBytes): Promise<boolean> {
    try {
      await this.#objects.fetch(key, path, signal, onBytes);
      return true;
    } catch (error) {
      if (error instanceof ObjectMissing) return false;
      throw ofServer(this.name, error);
    }
  }

  close(): void {
    this.#objects.close();
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw ofServer(this.name, error);
    }
  }
}
