/**
 * Files under keys of a bucket, for adapters that keep more in buckets than models: no conditions, no probe, and nothing of
 * a registry's layout. What is written under a key must follow from the key, as with names by content: two who write one
 * key write the same. Failures are those of the registry's backends.
 */
import { KeyedMutex } from "../keyed-mutex.ts";
import type { OnBytes } from "../registry.ts";
import { Bucket } from "./bucket.ts";
import { fetchObject } from "./fetching.ts";
import { fetchSmall } from "./fetching-small.ts";
import { listObjects } from "./listing.ts";
import { headObject } from "./reading.ts";
import { Source } from "./source.ts";
import type { S3Spec } from "./spec.ts";
import { TUNING, type Tuning } from "./tuning.ts";
import { upload } from "./uploading.ts";
import { putObject, removeObject } from "./writing.ts";

export type { Tuning } from "./tuning.ts";

/** Where the objects are, and how they are written. */
export type S3Place = Pick<
  S3Spec,
  "bucket" | "prefix" | "region" | "endpoint" | "profile" | "sse" | "kmsKey"
>;

/** An object as a listing tells of it. */
export interface ListedObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
}

export interface ListedPage {
  readonly objects: readonly ListedObject[];
  /** Whether none lie behind them. */
  readonly isLast: boolean;
}

/** The most that S3 lists at a time. */
const PAGE = 1000;
const NOTHING = (): void => undefined;

export class S3Objects {
  readonly #bucket: Bucket;
  /** Large objects move one at a time, each in many requests: their buffers are what memory goes to. */
  readonly #large = new KeyedMutex();

  constructor(place: S3Place, env: NodeJS.ProcessEnv, tuning: Partial<Tuning> = {}) {
    const pathStyle = place.endpoint !== undefined;
    const spec: S3Spec = { ...place, pathStyle, checksum: "crc32", pollMs: 0, unsafe: true };
    this.#bucket = new Bucket(spec, env, { ...TUNING, ...tuning });
  }

  /** Files smaller than this are sent by `put`, others by `send`. Bytes. */
  get largeFrom(): number {
    return this.#bucket.tuning.multipartFrom;
  }

  /** Size of an object, bytes; undefined when there is none. */
  async size(key: string, signal: AbortSignal): Promise<number | undefined> {
    return (await headObject(this.#bucket, key, signal))?.size;
  }

  /** A page of the objects, in byte order of their keys, from the first one behind `after`. */
  async list(after: string, signal: AbortSignal): Promise<ListedPage> {
    const objects = await listObjects(this.#bucket, "", { after, limit: PAGE }, signal);
    return { objects, isLast: objects.length < PAGE };
  }

  /** Writes these bytes, in place of what is there. */
  async put(key: string, bytes: Buffer, signal: AbortSignal): Promise<void> {
    await putObject(this.#bucket, key, bytes, {}, signal);
  }

  /** Sends a large file unless the key exists; parts of an earlier try are used. Throws SourceUnreadable. */
  send(
    key: string,
    path: string,
    size: number,
    signal: AbortSignal,
    onBytes: OnBytes = NOTHING,
  ): Promise<void> {
    return this.#large.run("send", async () => {
      const source = await Source.known(path, { sha256: "", size });
      await upload(this.#bucket, key, source, signal, onBytes);
    });
  }

  remove(key: string, signal: AbortSignal): Promise<void> {
    return removeObject(this.#bucket, key, signal);
  }

  /**
   * Writes an object to the new file `path`: a small one with one request, a large one with many at a time. Removes the file
   * on failure. Throws ObjectMissing.
   */
  async fetch(key: string, path: string, signal: AbortSignal, onBytes: OnBytes = NOTHING): Promise<void> {
    if (await fetchSmall(this.#bucket, key, path, signal, onBytes)) return;
    await this.#large.run("fetch", () => fetchObject(this.#bucket, key, path, signal, onBytes, NOTHING));
  }

  /** Lets the connections go. No call may follow. */
  close(): void {
    this.#bucket.close();
  }
}
