/** From a hash to what is stored under it, checked. */

import { writeHashed } from "@pipekit/adapters/files";
import { ObjectMissing, type OnBytes, type RegistryBackend } from "@pipekit/adapters/registry";
import { type Model, PipekitError } from "@pipekit/proto";
import { Follower } from "./cache/follower.ts";
import type { ModelCache } from "./cache/index.ts";
import { NoRoom } from "./cache/no-room.ts";
import type { Fill } from "./cache/weights.ts";
import { Damage, decodeMetadata, type FileDigest, type Metadata } from "./metadata.ts";
import {
  asCorrupt,
  checkDocuments,
  describe,
  FILES,
  fileWeights,
  type ModelDocuments,
  modelKey,
  readMetadata,
  verifiedWeights,
} from "./model.ts";
import { bytesOf, counted } from "./progress.ts";
import type { OnProgress } from "./registry.ts";

/** A model's documents, sound. */
export interface Described {
  readonly metadata: Metadata;
  readonly documents: ModelDocuments;
}

/** All methods throw CORRUPT_MODEL. */
export class Reading {
  readonly #backend: RegistryBackend;
  readonly #cache: ModelCache;

  constructor(backend: RegistryBackend, cache: ModelCache) {
    this.#backend = backend;
    this.#cache = cache;
  }

  /** metadata.json of a hash that a tag or a reference has led to. */
  async metadata(hash: string, signal: AbortSignal): Promise<Metadata> {
    const metadata = await readMetadata(this.#backend, hash, signal).catch((error: unknown) => {
      throw asCorrupt(error, hash);
    });
    if (metadata !== undefined) return metadata;
    throw missing(hash);
  }

  /** All documents; undefined when there is no such model. */
  async documents(hash: string, signal: AbortSignal): Promise<Described | undefined> {
    const get = (file: string) => this.#backend.get(modelKey(hash, file), signal);
    const found = await get(FILES.metadata).catch((error: unknown) => {
      throw asCorrupt(error, hash);
    });
    if (found === undefined) return undefined;
    try {
      const metadata = decodeMetadata(found.bytes, hash);
      const [operator, preview] = await Promise.all([
        get(FILES.operator),
        metadata.preview && get(FILES.preview),
      ]);
      if (operator === undefined) throw new Damage(`${FILES.operator} is missing.`);
      const documents = { metadata: found.bytes, operator: operator.bytes, preview: preview?.bytes };
      checkDocuments(metadata, documents);
      return { metadata, documents };
    } catch (error) {
      throw asCorrupt(error, hash);
    }
  }

  /** The model as clients see it, with its preview and without its tags. */
  async describe({ hash }: Metadata, signal: AbortSignal): Promise<Model> {
    const found = await this.documents(hash, signal);
    if (found === undefined) throw missing(hash);
    return described(found);
  }

  /**
   * Path of the verified file, which is fetched if it is on another host; empty without weights. Throws NoRoom when it
   * cannot be kept here.
   */
  async weightsPath(metadata: Metadata, signal: AbortSignal, onProgress?: OnProgress): Promise<string> {
    const { hash, weights } = metadata;
    if (weights === undefined) return "";
    const key = modelKey(hash, FILES.weights);
    const path = this.#backend.localPath(key);
    try {
      if (path === undefined) {
        const fill: Fill = (to, ...rest) => this.#fetch(key, to, weights, ...rest);
        return await this.#cache.weights.get(weights, fill, signal, onProgress);
      }
      const checking = bytesOf("checking", onProgress);
      await this.#cache.verified.check(path, FILES.weights, weights, signal, checking);
      return path;
    } catch (error) {
      throw asCorrupt(error, hash);
    }
  }

  /**
   * Chunks from `offset` on; the last one comes after the digest was checked. Weights on another host are fetched before
   * this resolves, and pass through where they cannot be kept.
   */
  async weights(
    metadata: Metadata,
    offset: number,
    signal: AbortSignal,
    onProgress?: OnProgress,
  ): Promise<AsyncIterable<Buffer>> {
    const { hash, weights } = metadata;
    if (weights === undefined) return noChunks();
    if (this.#backend.localPath(modelKey(hash, FILES.weights)) === undefined) {
      try {
        const path = await this.weightsPath(metadata, signal, onProgress);
        return sound(hash, fileWeights(path, offset, signal));
      } catch (error) {
        if (!(error instanceof NoRoom)) throw error;
      }
    }
    const { verified } = this.#cache;
    return sound(hash, verifiedWeights(this.#backend, hash, weights, offset, verified, signal));
  }

  /** By as many requests as serve, or in order; hashed on the way where that can be. */
  async #fetch(
    key: string,
    path: string,
    expected: FileDigest,
    signal: AbortSignal,
    onFetched: OnBytes,
    onChecked: OnBytes,
  ): Promise<FileDigest | undefined> {
    const follower = new Follower(path);
    try {
      if (this.#backend.fetch !== undefined) {
        await this.#backend.fetch(key, path, signal, onFetched, (bytes) => follower.upTo(bytes));
        return follower.follows ? await follower.digest(signal, onChecked) : undefined;
      }
      const tell: OnBytes = (done) => onFetched(done, expected.size);
      const chunks = counted(this.#backend.read(key, 0, signal), tell);
      // The cache knows whether that is needed.
      return await writeHashed(chunks, path, signal, { durable: false });
    } catch (error) {
      throw error instanceof ObjectMissing ? new Damage(`${FILES.weights} is missing.`) : error;
    } finally {
      await follower.close();
    }
  }
}

/** The model as clients see it, with its preview and without its tags. */
export function described({ metadata, documents }: Described): Model {
  return { ...describe(metadata), previewJson: documents.preview?.toString("utf8").trimEnd() ?? "" };
}

/** What a tag leads to must be there. */
export function missing(hash: string): PipekitError {
  return new PipekitError(
    "CORRUPT_MODEL",
    `A tag points to the model ${hash}, whose metadata.json is missing.`,
    {
      field: hash,
      mend: "Store the model once more, or move the tag with `force`.",
    },
  );
}

async function* sound(hash: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* chunks;
  } catch (error) {
    throw asCorrupt(error, hash);
  }
}

async function* noChunks(): AsyncGenerator<Buffer> {}
