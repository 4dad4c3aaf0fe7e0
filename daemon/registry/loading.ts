/**
 * Loading and describing models, also those that this host keeps while their registry is away.
 *
 * A hash stands for one operator, one training config and one set of weights for ever. So a model that is named by its
 * full hash and kept here whole is loaded without a question to its registry; what else it had when it was loaded
 * (metadata, preview, time of storing) is told as it was then. Whether a model is still there, and where a tag points, the
 * registry is asked for; only when it is away, a full hash is answered from here.
 */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { type Model, PipekitError, parseRef } from "@pipekit/proto";
import type { ModelCache } from "./cache/index.ts";
import { NoRoom } from "./cache/no-room.ts";
import { FILES, modelKey } from "./model.ts";
import { type Described, described, missing, type Reading } from "./reading.ts";
import type { LoadedModel, OnProgress } from "./registry.ts";
import type { Resolved, Resolving } from "./resolving.ts";

export class Loading {
  readonly #backend: RegistryBackend;
  readonly #resolving: Resolving;
  readonly #reading: Reading;
  readonly #cache: ModelCache;

  constructor(backend: RegistryBackend, resolving: Resolving, reading: Reading, cache: ModelCache) {
    this.#backend = backend;
    this.#resolving = resolving;
    this.#reading = reading;
    this.#cache = cache;
  }

  /** Throws INVALID_ARGUMENT for the offset, STORAGE_FULL when the file that is asked for cannot be kept here. */
  async load(
    ref: string,
    { byPath, offset }: { readonly byPath: boolean; readonly offset: number },
    signal: AbortSignal,
    onProgress?: OnProgress,
  ): Promise<LoadedModel> {
    const found = (await this.#keptWhole(ref, signal, onProgress)) ?? (await this.#find(ref, signal));
    const { metadata } = found;
    checkOffset(offset, metadata.weights?.size ?? 0);
    const model = described(found);
    if (!byPath) {
      const weights = await this.#reading.weights(metadata, offset, signal, onProgress);
      return { model, weightsPath: "", weights };
    }
    try {
      const weightsPath = await this.#reading.weightsPath(metadata, signal, onProgress);
      return { model, weightsPath, weights: noChunks() };
    } catch (error) {
      throw error instanceof NoRoom ? error.asStorageFull() : error;
    }
  }

  /** The model without its tags. */
  async stat(ref: string, signal: AbortSignal): Promise<Model> {
    try {
      return described(await this.#find(ref, signal));
    } catch (error) {
      const kept = isAway(error) ? await this.#kept(ref) : undefined;
      if (kept === undefined) throw error;
      return described(kept);
    }
  }

  async resolve(ref: string, signal: AbortSignal): Promise<Resolved> {
    try {
      return await this.#resolving.resolve(ref, signal);
    } catch (error) {
      const kept = isAway(error) ? await this.#kept(ref) : undefined;
      if (kept === undefined) throw withOfflineMend(error, ref);
      return { hash: kept.metadata.hash, move: undefined };
    }
  }

  /** The model from its registry. */
  async #find(ref: string, signal: AbortSignal): Promise<Described> {
    const parsed = parseRef(ref);
    try {
      // One request less than to resolve it first.
      const known = parsed.kind === "hash" && (await this.#reading.documents(parsed.hash, signal));
      if (known) return await this.#keep(known);
      const { hash } = await this.#resolving.resolve(ref, signal);
      const found = await this.#reading.documents(hash, signal);
      if (found === undefined) throw missing(hash);
      return await this.#keep(found);
    } catch (error) {
      throw withOfflineMend(error, ref);
    }
  }

  async #keep(found: Described): Promise<Described> {
    const { hash } = found.metadata;
    if (!this.#isHere(hash)) await this.#cache.documents.keep(this.#backend.spec, hash, found.documents);
    return found;
  }

  /** A model that this host keeps with all its parts, named by its full hash. */
  async #keptWhole(
    ref: string,
    signal: AbortSignal,
    onProgress: OnProgress | undefined,
  ): Promise<Described | undefined> {
    const kept = await this.#kept(ref);
    const weights = kept?.metadata.weights;
    if (weights === undefined) return kept;
    const path = await this.#cache.weights.find(weights, signal, onProgress);
    return path === undefined ? undefined : kept;
  }

  async #kept(ref: string): Promise<Described | undefined> {
    const parsed = parseRef(ref);
    if (parsed.kind !== "hash" || this.#isHere(parsed.hash)) return undefined;
    return this.#cache.documents.find(this.#backend.spec, parsed.hash);
  }

  /** Whether the registry has its files on this host, and so nothing of it needs to be kept. */
  #isHere(hash: string): boolean {
    return this.#backend.localPath(modelKey(hash, FILES.metadata)) !== undefined;
  }
}

/** Whether the failure is that the registry does not answer. */
export function isAway(error: unknown): error is PipekitError {
  return error instanceof PipekitError && error.code === "REGISTRY_UNAVAILABLE";
}

/** Only the registry knows where a tag points; a person who is told that it is away learns what works meanwhile. */
function withOfflineMend(error: unknown, ref: string): unknown {
  if (!isAway(error) || parseRef(ref).kind === "hash") return error;
  const mend = `${error.mend} Meanwhile a model that was loaded on this host before loads by its full hash.`;
  return new PipekitError(error.code, error.message, { field: error.field, mend, cause: error });
}

function checkOffset(offset: number, size: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && offset <= size) return;
  throw new PipekitError("INVALID_ARGUMENT", `The offset ${offset} lies outside of ${size} bytes.`, {
    field: "offset",
    mend: "Give the number of bytes that you have already.",
  });
}

async function* noChunks(): AsyncGenerator<Buffer> {}
