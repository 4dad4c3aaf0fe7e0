/**
 * Storing a model: check, receive the weights under no name, then commit: weights, operator.yaml, preview.json, and
 * metadata.json last. What a dead process left half done is completed, what was damaged is mended, what is sound is left.
 */

import { KeyedMutex } from "@pipekit/adapters/keyed-mutex";
import { type PendingBlob, type RegistryBackend, SourceUnreadable } from "@pipekit/adapters/registry";
import type { TagMove } from "@pipekit/proto";
import { checkClientPath, unreadable } from "../content/index.ts";
import type { Lease } from "./collecting/lease.ts";
import type { Leases } from "./collecting/leases.ts";
import { sha256 } from "./manifest.ts";
import { Damage, encodeMetadata, type Metadata } from "./metadata.ts";
import { FILES, modelKey, readMetadata } from "./model.ts";
import type { Documents, NewModel } from "./new-model.ts";
import { bytesOf, counted } from "./progress.ts";
import { Publishing } from "./publishing.ts";
import { metadataOf, operatorYaml, type ReadyDocuments, readyDocuments } from "./ready-documents.ts";
import type { OnProgress } from "./registry.ts";
import type { VerifiedFiles } from "./verified.ts";

/** Lost races after which a small file is taken to be fought over. */
const MAX_ATTEMPTS = 20;

/** A model that is there now. */
export interface Stored {
  readonly metadata: Metadata;
  /** False when it was there before. */
  readonly created: boolean;
  /** The move of the tag that was asked for. */
  readonly move: TagMove | undefined;
}

/** Whoever points a tag to the model while no collector can touch it. */
export type TagIt = (hash: string, lease: Lease) => Promise<TagMove>;

export class Storing {
  readonly #backend: RegistryBackend;
  readonly #stagingFolder: string;
  readonly #publishing: Publishing;
  readonly #leases: Leases;
  readonly #commits = new KeyedMutex();

  constructor(backend: RegistryBackend, stagingFolder: string, verified: VerifiedFiles, leases: Leases) {
    this.#backend = backend;
    this.#stagingFolder = stagingFolder;
    this.#publishing = new Publishing(backend, verified);
    this.#leases = leases;
  }

  /** Stores the model unless it is there. Throws ARTIFACT_UNREADABLE, INVALID_ARGUMENT for a wrong weights path. */
  async store(
    model: NewModel,
    documents: Documents,
    signal: AbortSignal,
    tagIt?: TagIt,
    onProgress?: OnProgress,
  ): Promise<Stored> {
    const weights = await this.#receive(model, signal, onProgress);
    try {
      // A stream that was cut off by the client's end looks like one that is complete.
      signal.throwIfAborted();
      const ready = readyDocuments(metadataOf(model, documents, weights), documents);
      return await this.#leased(ready, weights, model.actor, signal, tagIt, onProgress);
    } finally {
      await weights?.discard();
    }
  }

  /** Stores a model of another registry byte for byte, unless it is there. The weights have the digest of its metadata. */
  async adopt(
    ready: ReadyDocuments,
    weights: PendingBlob | undefined,
    actor: string,
    signal: AbortSignal,
  ): Promise<Stored> {
    return this.#leased(ready, weights, actor, signal);
  }

  /** Commits, and tags, while no collector can touch the model. */
  #leased(
    ready: ReadyDocuments,
    weights: PendingBlob | undefined,
    actor: string,
    signal: AbortSignal,
    tagIt?: TagIt,
    onProgress?: OnProgress,
  ): Promise<Stored> {
    const { hash } = ready.metadata;
    return this.#commits.run(hash, () =>
      this.#leases.hold(hash, { kind: "storing", actor }, signal, async (lease) => {
        const done = await this.#commit(ready, weights, lease, signal, onProgress);
        if (!lease.isHeld) await this.#takeBack(done.metadata, lease);
        // Its metadata.json may be old, and it counts as stored just now all the same.
        const marking = done.created ? undefined : lease.markStored(new AbortController().signal);
        const [move] = await Promise.all([tagIt?.(hash, lease), marking]);
        return { ...done, move };
      }),
    );
  }

  async #receive(
    model: NewModel,
    signal: AbortSignal,
    onProgress: OnProgress | undefined,
  ): Promise<PendingBlob | undefined> {
    const source = model.weights;
    if (source === undefined) return undefined;
    const onBytes = bytesOf("receiving", onProgress);
    if (source.kind === "stream") {
      const chunks = onBytes === undefined ? source.chunks : counted(source.chunks, onBytes);
      return this.#backend.receive({ kind: "stream", chunks }, signal);
    }
    const path = await checkClientPath(source.path, source.staged, this.#stagingFolder, "weights_path");
    try {
      return await this.#backend.receive({ kind: source.staged ? "staged" : "file", path }, signal, onBytes);
    } catch (error) {
      throw error instanceof SourceUnreadable ? unreadable(error.path, error.reason, error) : error;
    }
  }

  /** Once the weights are there it is not cancelled: the rest is short, and half a commit would only be litter. */
  async #commit(
    ready: ReadyDocuments,
    weights: PendingBlob | undefined,
    lease: Lease,
    sending: AbortSignal,
    onProgress: OnProgress | undefined,
  ): Promise<{ metadata: Metadata; created: boolean }> {
    const signal = new AbortController().signal;
    const { hash } = ready.metadata;
    const there = await readMetadata(this.#backend, hash, signal).catch((error: unknown) => {
      // It will be written anew.
      if (error instanceof Damage) return undefined;
      throw error;
    });
    if (weights !== undefined) await this.#publishing.ensure(hash, weights, sending, onProgress);
    await this.#ensureSmall(
      modelKey(hash, FILES.operator),
      operatorYaml(there ?? ready.metadata, ready),
      signal,
    );
    if (there !== undefined) {
      await this.#mendPreview(there, ready.preview, signal);
      return { metadata: there, created: false };
    }
    if (ready.preview !== undefined) {
      await this.#ensureSmall(modelKey(hash, FILES.preview), ready.preview, signal);
    }
    await this.#ensureMetadata(hash, ready.metadataJson, lease, signal);
    return this.#agreed(ready, signal);
  }

  /** The lease died while metadata.json was written: a collector may have taken the rest. Throws REGISTRY_UNAVAILABLE. */
  async #takeBack({ hash, weights }: Metadata, lease: Lease): Promise<void> {
    const signal = new AbortController().signal;
    const there = await this.#backend.info(modelKey(hash, FILES.weights), signal);
    if (there?.size !== weights?.size) await this.#backend.remove(modelKey(hash, FILES.metadata), signal);
    lease.check();
  }

  /** metadata.json of whoever was first, from whichever process; operator.yaml then follows it. */
  async #agreed(
    ready: ReadyDocuments,
    signal: AbortSignal,
  ): Promise<{ metadata: Metadata; created: boolean }> {
    const ours = ready.metadata;
    const metadata = (await readMetadata(this.#backend, ours.hash, signal)) ?? ours;
    if (metadata.operatorYaml.sha256 !== ours.operatorYaml.sha256) {
      await this.#ensureSmall(modelKey(ours.hash, FILES.operator), operatorYaml(metadata, ready), signal);
    }
    return { metadata, created: encodeMetadata(metadata).equals(encodeMetadata(ours)) };
  }

  /** A preview is no part of a model's identity: the first one stays, and is only mended by its equal. */
  async #mendPreview(there: Metadata, preview: Buffer | undefined, signal: AbortSignal): Promise<void> {
    if (there.preview === undefined || preview === undefined) return;
    if (sha256(preview) !== there.preview.sha256) return;
    await this.#ensureSmall(modelKey(there.hash, FILES.preview), preview, signal);
  }

  /** Creates metadata.json; a damaged one is replaced, a sound one left. */
  async #ensureMetadata(hash: string, bytes: Buffer, lease: Lease, signal: AbortSignal): Promise<void> {
    const key = modelKey(hash, FILES.metadata);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      lease.check();
      if ((await this.#backend.create(key, bytes, signal)) !== undefined) return;
      const found = await this.#backend.get(key, signal);
      if (found === undefined) continue;
      const sound = await readMetadata(this.#backend, hash, signal).catch((error: unknown) => {
        if (error instanceof Damage) return undefined;
        throw error;
      });
      if (sound !== undefined) return;
      lease.check();
      if ((await this.#backend.replace(key, bytes, found.version, signal)) !== undefined) return;
    }
    throw new Error(`${key} is being written by others again and again.`);
  }

  /** Makes a small file have these bytes. */
  async #ensureSmall(key: string, bytes: Buffer, signal: AbortSignal): Promise<void> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const found = await this.#backend.get(key, signal);
      if (found?.bytes.equals(bytes)) return;
      const version =
        found === undefined
          ? await this.#backend.create(key, bytes, signal)
          : await this.#backend.replace(key, bytes, found.version, signal);
      if (version !== undefined) return;
    }
    throw new Error(`${key} is being written by others again and again.`);
  }
}
