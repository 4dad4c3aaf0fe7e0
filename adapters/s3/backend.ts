/**
 * Models in a bucket, shared by any number of hosts. What is small is written in one request under a condition, which the
 * server decides; what is large is sent under its key, which follows from its content.
 */
import type {
  BlobSource,
  Litter,
  ObjectInfo,
  ObjectVersion,
  OnBytes,
  OnPrefix,
  PendingBlob,
  RegistryBackend,
  RegistryProperties,
  StoredObject,
} from "../registry.ts";
import type { Bucket } from "./bucket.ts";
import { ConditionalWrites } from "./conditional.ts";
import { copyObject } from "./copying.ts";
import { fetchObject } from "./fetching.ts";
import { listFolders, listObjects } from "./listing.ts";
import { type LitterChoice, litter } from "./littering.ts";
import { getObject, headObject } from "./reading.ts";
import { receive } from "./receiving.ts";
import { streamObject } from "./streaming.ts";
import { UnconditionalWrites } from "./unconditional.ts";
import { Watches } from "./watching.ts";
import { removeObject, type Writes } from "./writing.ts";

export class S3Backend implements RegistryBackend {
  readonly spec: string;
  readonly properties: RegistryProperties;
  readonly #bucket: Bucket;
  readonly #scratch: string;
  readonly #writes: Writes;
  readonly #watches: Watches;

  constructor(spec: string, bucket: Bucket, scratch: string) {
    this.spec = spec;
    this.#bucket = bucket;
    this.#scratch = scratch;
    this.properties = { atomic: !bucket.spec.unsafe, serverClock: true };
    this.#writes = bucket.spec.unsafe ? new UnconditionalWrites(bucket) : new ConditionalWrites(bucket);
    const look = async (key: string, signal: AbortSignal) => (await headObject(bucket, key, signal))?.etag;
    this.#watches = new Watches(look, bucket.spec.pollMs);
  }

  async get(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    return getObject(this.#bucket, checked(key), signal);
  }

  async create(key: string, bytes: Buffer, signal: AbortSignal): Promise<ObjectVersion | undefined> {
    return this.#writes.create(checked(key), bytes, signal);
  }

  async replace(
    key: string,
    bytes: Buffer,
    version: ObjectVersion,
    signal: AbortSignal,
  ): Promise<ObjectVersion | undefined> {
    return this.#writes.replace(checked(key), bytes, version, signal);
  }

  async remove(key: string, signal: AbortSignal): Promise<void> {
    await removeObject(this.#bucket, checked(key), signal);
  }

  async info(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    const head = await headObject(this.#bucket, checked(key), signal);
    if (head === undefined) return undefined;
    const { size, modifiedAtUs, metadata } = head;
    const sha256 = metadata["sha256"];
    return { key, size, modifiedAtUs, ...(sha256 !== undefined && { sha256 }) };
  }

  async list(
    prefix: string,
    options: { readonly after?: string; readonly limit: number; readonly folders?: boolean },
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    if (options.folders === true) return listFolders(this.#bucket, prefix, options, signal);
    return (await listObjects(this.#bucket, prefix, options, signal)).map(({ key }) => key);
  }

  scan(
    prefix: string,
    options: { readonly after?: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<readonly ObjectInfo[]> {
    return listObjects(this.#bucket, prefix, options, signal);
  }

  /** A server that will be refused is refused before a long stream is read. */
  async receive(source: BlobSource, signal: AbortSignal): Promise<PendingBlob> {
    await this.#writes.ready(signal);
    return receive(this.#bucket, this.#scratch, source, signal);
  }

  read(key: string, offset: number, signal: AbortSignal): AsyncIterable<Buffer> {
    return streamObject(this.#bucket, checked(key), offset, signal);
  }

  localPath(): undefined {
    return undefined;
  }

  async fetch(
    key: string,
    path: string,
    signal: AbortSignal,
    onBytes: OnBytes = () => undefined,
    onPrefix: OnPrefix = () => undefined,
  ): Promise<void> {
    await fetchObject(this.#bucket, checked(key), path, signal, onBytes, onPrefix);
  }

  async copy(from: string, to: string, signal: AbortSignal): Promise<boolean> {
    return copyObject(this.#bucket, checked(from), checked(to), signal);
  }

  litter(choice: LitterChoice, signal: AbortSignal): AsyncIterable<Litter> {
    return litter(this.#bucket, this.#scratch, choice, signal);
  }

  watch(key: string, changed: () => void): () => void {
    return this.#watches.add(checked(key), changed);
  }
}

/** S3 would take any text as a key; the registry's are relative paths. */
function checked(key: string): string {
  if (key.split("/").some((part) => part === "" || part === "." || part === "..")) {
    throw new Error(`\`${key}\` is no key of an object.`);
  }
  return key;
}
