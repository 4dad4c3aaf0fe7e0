/**
 * Models in MLflow: files behind its artifact proxy, small objects that change as tags of the registered model, hashes as
 * versions, tags as aliases.
 *
 * MLflow compares nothing when it writes. Calls of this process take turns at each key, read before they write and after
 * it; two daemons that write one key in the same moment may both believe that they have won: `atomic` is false.
 *
 * A log entry is a file and not a tag of the registered model: every read of a tag brings all of the model's tags, and
 * histories only grow. A file is put in place under its own name; readers do not see it before metadata.json, which comes
 * last, whatever the store behind MLflow makes of a put.
 */

import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import {
  type BlobSource,
  type Litter,
  type ObjectInfo,
  ObjectMissing,
  type ObjectVersion,
  type OnBytes,
  type PendingBlob,
  type RegistryBackend,
  type StoredObject,
} from "@pipekit/adapters/registry";
import { Aliases } from "./aliases.ts";
import { type Compared, findDifferences } from "./differences.ts";
import { isEntryKey } from "./entries.ts";
import { EntryStore } from "./entry-store.ts";
import { FileStore } from "./file-store.ts";
import { inOrder, isAfter, keysUnder, segmentsUnder } from "./listing.ts";
import { findLitter } from "./litter.ts";
import { Poller } from "./poller.ts";
import type { RegistrySpec } from "./spec.ts";
import { receiveInto } from "./spool.ts";
import { turns } from "./turns.ts";

/** Bytes that may wait to be written while a file is fetched. */
const WRITE_BYTES = 4 * 1024 * 1024;

export class MlflowBackend implements RegistryBackend {
  readonly spec: string;
  readonly properties = { atomic: false, serverClock: false };
  readonly #place: string;
  readonly #scratch: string;
  readonly #parts: Compared;
  readonly #entries: EntryStore;
  readonly #files: FileStore;
  readonly #poller: Poller;

  constructor(spec: RegistrySpec, parts: Compared, scratch: string) {
    const { model, versions, files } = parts;
    this.spec = spec.canonical;
    this.#place = spec.place;
    this.#scratch = scratch;
    this.#parts = parts;
    this.#entries = new EntryStore(model, new Aliases(model, versions, files));
    this.#files = new FileStore(files, versions);
    this.#poller = new Poller(async (signal) => {
      const { entries } = await model.read(signal);
      return new Map(Array.from(entries, ([key, { version }]) => [key, version]));
    }, spec.pollMs);
  }

  get(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    return this.#storeOf(key).get(key, signal);
  }

  create(key: string, bytes: Buffer, signal: AbortSignal): Promise<ObjectVersion | undefined> {
    return turns.run(this.#at(key), () => this.#storeOf(key).write(key, bytes, undefined, signal));
  }

  replace(
    key: string,
    bytes: Buffer,
    version: ObjectVersion,
    signal: AbortSignal,
  ): Promise<ObjectVersion | undefined> {
    return turns.run(this.#at(key), () => this.#storeOf(key).write(key, bytes, version, signal));
  }

  remove(key: string, signal: AbortSignal): Promise<void> {
    return turns.run(this.#at(key), () => this.#storeOf(key).remove(key, signal));
  }

  info(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    return this.#storeOf(key).info(key, signal);
  }

  async list(
    prefix: string,
    options: { readonly after?: string; readonly limit: number; readonly folders?: boolean },
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const { after = "", limit } = options;
    const entries = (await this.#entries.under(prefix, signal)).keys();
    if (options.folders === true) {
      const folders = isEntryKey(prefix) ? [] : await this.#files.folders(prefix, after, signal);
      const all = new Set([...folders, ...segmentsUnder(entries, prefix)]);
      return inOrder([...all].filter((key) => isAfter(key, after))).slice(0, limit);
    }
    const keys = isEntryKey(prefix) ? [] : await this.#files.keys(prefix, after, limit, signal);
    return inOrder([...keys, ...keysUnder(entries, prefix, after)]).slice(0, limit);
  }

  async scan(
    prefix: string,
    options: { readonly after?: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<readonly ObjectInfo[]> {
    const { after = "", limit } = options;
    const entries = await this.#entries.under(prefix, signal);
    const files = isEntryKey(prefix) ? [] : await this.#files.scan(prefix, after, limit, signal);
    const infos = new Map(files.map((info) => [info.key, info]));
    for (const key of keysUnder(entries.keys(), prefix, after)) {
      const info = entries.get(key);
      if (info !== undefined) infos.set(key, info);
    }
    return inOrder([...infos.keys()])
      .slice(0, limit)
      .flatMap((key) => infos.get(key) ?? []);
  }

  receive(source: BlobSource, signal: AbortSignal): Promise<PendingBlob> {
    return receiveInto(this.#scratch, this.#parts.files, source, signal);
  }

  read(key: string, offset: number, signal: AbortSignal): AsyncIterable<Buffer> {
    return this.#parts.files.read(key, offset, signal);
  }

  localPath(): undefined {
    return undefined;
  }

  async fetch(key: string, path: string, signal: AbortSignal, onBytes?: OnBytes): Promise<void> {
    const total = await this.#parts.files.sizeOf(key, signal);
    if (total === undefined) throw new ObjectMissing(key);
    const chunks = counted(this.#parts.files.read(key, 0, signal), (done) => onBytes?.(done, total));
    // A stream gathers what has come while it was writing.
    await pipeline(chunks, createWriteStream(path, { flags: "wx", highWaterMark: WRITE_BYTES }), { signal });
  }

  litter(
    options: { readonly olderThanMs: number; readonly remove: boolean },
    signal: AbortSignal,
  ): AsyncIterable<Litter> {
    return findLitter(this.#parts, this.#scratch, options, signal);
  }

  differences(signal: AbortSignal): AsyncIterable<string> {
    return findDifferences(this.#parts, signal);
  }

  watch(key: string, changed: () => void): () => void {
    return this.#poller.watch(key, changed);
  }

  #storeOf(key: string): EntryStore | FileStore {
    return isEntryKey(key) ? this.#entries : this.#files;
  }

  #at(key: string): string {
    return `${this.#place} ${key}`;
  }
}

/** The same chunks; `onBytes` is told how many bytes have come. */
async function* counted(
  chunks: AsyncIterable<Buffer>,
  onBytes: (done: number) => void,
): AsyncGenerator<Buffer> {
  let done = 0;
  for await (const chunk of chunks) {
    yield chunk;
    done += chunk.length;
    onBytes(done);
  }
}
