/** Writes that the server decides: of all hosts' racers exactly one wins. */
import type { ObjectVersion } from "../registry.ts";
import type { Bucket } from "./bucket.ts";
import { ensureProbed } from "./probe.ts";
import { putIf, type Writes } from "./writing.ts";

export class ConditionalWrites implements Writes {
  readonly #bucket: Bucket;

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  ready(signal: AbortSignal): Promise<void> {
    return ensureProbed(this.#bucket, signal);
  }

  async create(key: string, bytes: Buffer, signal: AbortSignal): Promise<ObjectVersion | undefined> {
    await this.ready(signal);
    return putIf(this.#bucket, key, bytes, { IfNoneMatch: "*" }, signal);
  }

  async replace(
    key: string,
    bytes: Buffer,
    version: ObjectVersion,
    signal: AbortSignal,
  ): Promise<ObjectVersion | undefined> {
    await this.ready(signal);
    return putIf(this.#bucket, key, bytes, { IfMatch: version }, signal);
  }
}
