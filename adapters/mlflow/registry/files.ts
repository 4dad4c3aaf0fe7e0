/** A registry's files behind MLflow's artifact proxy, by key. */

import { type FileSlice, type Incoming, PERSON_MS } from "@pipekit/adapters/http";
import { ObjectMissing, ObjectTooLarge, type StoredObject } from "@pipekit/adapters/registry";
import { z } from "zod";
import { encodePath } from "../../spec-query.ts";
import type { Result } from "../api.ts";
import { type ProxyBase, proxyBase } from "../artifacts.ts";
import { sha256 } from "../text.ts";
import { failureOf, unproxied } from "./failures.ts";
import type { Server } from "./server.ts";

/** One entry of a folder; `size` is undefined for a folder. */
export interface Listed {
  readonly name: string;
  readonly size: number | undefined;
}

/** How long a list of the top folder serves. */
const RECENT_MS = 30_000;
const MAX_SMALL_BYTES = 16 * 1024 * 1024;
const Listing = z.object({
  files: z
    .array(
      z.object({
        path: z.string(),
        is_dir: z.boolean().default(false),
        file_size: z.coerce.number().default(0),
      }),
    )
    .default([]),
});

type Answer = Extract<Incoming, { kind: "answer" }>;

export class Files {
  readonly #server: Server;
  readonly #base: ProxyBase;
  #root: { readonly until: number; readonly entries: readonly Listed[] } | undefined;

  /** `root` is an artifact root. Throws BackendRefused when MLflow does not stand before it. */
  constructor(server: Server, root: string) {
    const base = proxyBase(root, server.api.url);
    if (base === undefined) throw unproxied(root);
    this.#server = server;
    this.#base = base;
  }

  /** Entries of a folder in byte order of their keys; none when there is no such folder. */
  async list(folder: string, signal: AbortSignal): Promise<readonly Listed[]> {
    const url = this.#base.listing(folder.replace(/\/$/, ""));
    const found = await this.#server.find(() => this.#server.api.getFrom(url, Listing, signal), signal);
    const order = (entry: Listed) => Buffer.from(entry.size === undefined ? `${entry.name}/` : entry.name);
    return (found?.files ?? [])
      .map(({ path, is_dir, file_size }) => ({
        // Servers before 2.0 tell the whole path.
        name: path.slice(path.lastIndexOf("/") + 1),
        size: is_dir ? undefined : file_size,
      }))
      .toSorted((a, b) => Buffer.compare(order(a), order(b)));
  }

  /**
   * The top folder as it was a moment ago, for the next of several pages: it may have 100,000 entries. What this process
   * has written since is in it.
   */
  async recentRoot(signal: AbortSignal): Promise<readonly Listed[]> {
    if (this.#root === undefined || this.#root.until < performance.now()) {
      const entries = await this.list("", signal);
      this.#root = { until: performance.now() + RECENT_MS, entries };
    }
    return this.#root.entries;
  }

  /** Size of a file; undefined when there is none. */
  async sizeOf(key: string, signal: AbortSignal): Promise<number | undefined> {
    const slash = key.lastIndexOf("/") + 1;
    const entries = await this.list(key.slice(0, slash), signal);
    return entries.find(({ name }) => name === key.slice(slash))?.size;
  }

  /** When a file was written, unix microseconds, where the server tells it. */
  async writtenAtUs(key: string, signal: AbortSignal): Promise<number | undefined> {
    const head = await this.#server.attempt(
      () => this.#server.api.open("HEAD", this.#url(key), {}, signal),
      signal,
    );
    if (!head.ok) return undefined;
    head.value.body.resume();
    const ms = Date.parse(head.value.headers["last-modified"] ?? "");
    return Number.isNaN(ms) ? undefined : ms * 1000;
  }

  /** A small file; undefined when there is none. */
  async get(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    const first = await this.#download(key, signal);
    if (first.ok) return first.value;
    if (first.fault.kind === "missing") return undefined;
    // Before some stores MLflow fails with 500 when the file is not there.
    const failed = (first.fault.status ?? 0) >= 500;
    if (failed && (await this.sizeOf(key, signal)) === undefined) return undefined;
    return await this.#server.find(() => this.#download(key, signal), signal);
  }

  /** Writes a file, or writes over one. */
  async put(key: string, body: Buffer | FileSlice, signal: AbortSignal): Promise<void> {
    await this.#server.insist(() => this.#server.api.put(this.#url(key), body, signal), signal);
    this.#root = undefined;
  }

  /** Harmless when there is no such file or folder. */
  async delete(key: string, signal: AbortSignal): Promise<void> {
    await this.#server.find(() => this.#server.api.deleteAt(this.#url(key), signal), signal);
    this.#root = undefined;
  }

  /**
   * Streams a file from byte `offset`. A body that breaks off is asked for again from there, as long as each answer
   * brings something, and only while it is the same file. Throws ObjectMissing.
   */
  async *read(key: string, offset: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    let position = offset;
    let etag: string | undefined;
    for (;;) {
      const opened = await this.#open(key, position, etag, signal);
      if (opened === undefined) return;
      const { headers, status, body } = opened;
      let skip = status === 206 ? 0 : position;
      if (skip > 0 && etag !== undefined && headers.etag !== etag) throw changed(key);
      etag ??= headers.etag;
      const before = position;
      try {
        for await (const chunk of body as AsyncIterable<Buffer>) {
          const rest = chunk.subarray(Math.min(skip, chunk.length));
          skip -= chunk.length - rest.length;
          if (rest.length === 0) continue;
          position += rest.length;
          yield rest;
        }
        return;
      } catch (error) {
        signal.throwIfAborted();
        const reason = `MLflow broke off in the middle of ${key}: ${error instanceof Error ? error.message : error}.`;
        if (position === before || etag === undefined) throw failureOf({ kind: "transient", reason });
      } finally {
        body.destroy();
      }
    }
  }

  /** The file from `position` on; undefined at its end. */
  async #open(
    key: string,
    position: number,
    etag: string | undefined,
    signal: AbortSignal,
  ): Promise<Answer | undefined> {
    const headers: Record<string, string> = position === 0 ? {} : { range: `bytes=${position}-` };
    if (etag !== undefined) headers["if-range"] = etag;
    const open = () => this.#server.api.open("GET", this.#url(key), headers, signal);
    const opened = await this.#server.attempt(open, signal);
    if (opened.ok) return opened.value;
    const { kind, status = 0 } = opened.fault;
    if (status === 416) return undefined;
    const gone = kind === "missing" || (status >= 500 && (await this.sizeOf(key, signal)) === undefined);
    throw gone ? new ObjectMissing(key) : failureOf(opened.fault);
  }

  /** MLflow tells no version. Its ETag is one where it comes; elsewhere equal bytes have equal versions. */
  async #download(key: string, signal: AbortSignal): Promise<Result<StoredObject>> {
    const opened = await this.#server.api.open("GET", this.#url(key), {}, signal);
    if (!opened.ok) return opened;
    const { body, headers } = opened.value;
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        size += chunk.length;
        if (size > MAX_SMALL_BYTES) throw new ObjectTooLarge(key);
      }
    } catch (error) {
      if (error instanceof ObjectTooLarge) throw error;
      return { ok: false, fault: { kind: "transient", reason: `MLflow broke off in the middle of ${key}.` } };
    }
    const bytes = Buffer.concat(chunks);
    return { ok: true, value: { bytes, version: `${sha256(bytes)} ${headers.etag ?? ""}` } };
  }

  #url(key: string): string {
    return `${this.#base.artifacts}/${encodePath(key)}`;
  }
}

function changed(key: string): Error {
  const reason = `${key} was written over while it was read.`;
  return failureOf({ kind: "transient", reason, afterMs: PERSON_MS });
}
