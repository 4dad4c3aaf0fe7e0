/**
 * Writes on a server without conditional ones, which a user has asked for by `unsafe_without_conditional_writes`: in turn
 * within this process, each looking before it writes and again after. Two processes that write one key in the same moment
 * may both believe that they have.
 */
import { KeyedMutex } from "../keyed-mutex.ts";
import type { ObjectVersion } from "../registry.ts";
import type { Bucket } from "./bucket.ts";
import { getObject, headObject } from "./reading.ts";
import { putObject, type Writes } from "./writing.ts";

/** The writers of each key of this process, whichever backend they use. */
const turns = new KeyedMutex();

export class UnconditionalWrites implements Writes {
  readonly #bucket: Bucket;

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  /** Nothing is relied on. */
  async ready(): Promise<void> {}

  create(key: string, bytes: Buffer, signal: AbortSignal): Promise<ObjectVersion | undefined> {
    return this.#inTurn(key, async () => {
      if ((await headObject(this.#bucket, key, signal)) !== undefined) return undefined;
      return this.#write(key, bytes, signal);
    });
  }

  replace(
    key: string,
    bytes: Buffer,
    version: ObjectVersion,
    signal: AbortSignal,
  ): Promise<ObjectVersion | undefined> {
    return this.#inTurn(key, async () => {
      if ((await headObject(this.#bucket, key, signal))?.etag !== version) return undefined;
      return this.#write(key, bytes, signal);
    });
  }

  /** Another process's write that is seen behind ours has won. */
  async #write(key: string, bytes: Buffer, signal: AbortSignal): Promise<ObjectVersion | undefined> {
    await putObject(this.#bucket, key, bytes, {}, signal);
    const now = await getObject(this.#bucket, key, signal);
    return now?.bytes.equals(bytes) ? now.version : undefined;
  }

  #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const { endpoint, spec } = this.#bucket;
    return turns.run(`${endpoint} ${spec.bucket} ${spec.prefix}${key}`, work);
  }
}
