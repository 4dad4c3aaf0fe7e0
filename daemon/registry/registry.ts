/** One registry: models by the hash of their content, and names that point to hashes. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { type Model, PipekitError, type TagMove, type VerifyResponse } from "@pipekit/proto";
import type { Logger } from "pino";
import { canonicalText } from "../content/index.ts";
import { manifestText } from "./manifest.ts";
import type { Metadata } from "./metadata.ts";
import { asCorrupt, describe, FILES, modelKey, readChecked, readMetadata, verifiedWeights } from "./model.ts";
import { checkNewModel, checkText, type Documents, type NewModel } from "./new-model.ts";
import { parseObject } from "./operator.ts";
import { checkTagName } from "./ref.ts";
import { type Resolved, Resolving } from "./resolving.ts";
import { Storing } from "./storing.ts";
import { type MoveRequest, Tags, tagExists } from "./tags.ts";
import { VerifiedFiles } from "./verified.ts";
import { verifyModels } from "./verifying.ts";
import { watchMoves } from "./watching.ts";

export interface StoreResult {
  readonly model: Model;
  /** False when the model was there already. */
  readonly created: boolean;
  /** The move made for `name`. */
  readonly move: TagMove | undefined;
}

export interface LoadedModel {
  readonly model: Model;
  /** With byPath: read-only file with the verified weights; empty without weights. */
  readonly weightsPath: string;
  /** Chunks from `offset` on; the last one comes after the digest was checked. Empty with byPath. Throws CORRUPT_MODEL. */
  readonly weights: AsyncIterable<Buffer>;
}

/** A request to move a tag to what `ref` stands for. */
export interface TagRequestOptions extends Omit<MoveRequest, "hash"> {
  readonly ref: string;
}

/** One page. Sizes are 1 to 1000, 0 means 100; tokens are opaque, empty for the first and after the last page. */
export interface PageQuery {
  readonly pageSize: number;
  readonly pageToken: string;
}

/**
 * All calls with a ref throw PipekitError REF_INVALID, REF_NOT_FOUND, REF_AMBIGUOUS; all that read a model CORRUPT_MODEL.
 */
export interface Registry {
  /** Canonical spec. */
  readonly spec: string;
  /**
   * Throws NOT_AN_OPERATOR, INVALID_CONFIG, TAG_NAME_INVALID, TAG_EXISTS, INVALID_ARGUMENT, ARTIFACT_UNREADABLE,
   * STORAGE_FULL. Cancelled before the weights are in, it leaves nothing.
   */
  store(model: NewModel, signal: AbortSignal): Promise<StoreResult>;
  load(
    ref: string,
    options: { readonly byPath: boolean; readonly offset: number },
    signal: AbortSignal,
  ): Promise<LoadedModel>;
  stat(ref: string, signal: AbortSignal): Promise<Model>;
  /** Models in byte order of their hashes; damaged ones are left out and logged. Throws INVALID_CONFIG for the filter. */
  list(
    query: PageQuery & { readonly metadataFilterJson: string },
    signal: AbortSignal,
  ): Promise<{ models: Model[]; nextPageToken: string }>;
  /** Throws TAG_EXISTS, TAG_CONFLICT, TAG_NAME_INVALID. */
  tag(request: TagRequestOptions, signal: AbortSignal): Promise<TagMove>;
  resolve(ref: string, signal: AbortSignal): Promise<Resolved>;
  /** Newest first. Throws TAG_NAME_INVALID, REF_NOT_FOUND. */
  tagHistory(
    name: string,
    query: PageQuery,
    signal: AbortSignal,
  ): Promise<{ moves: TagMove[]; nextPageToken: string }>;
  /** Moves after `afterSeq`, then each new one until aborted; with 0 first the current one only. Throws TAG_NAME_INVALID. */
  watchTag(name: string, afterSeq: number, signal: AbortSignal): AsyncIterable<TagMove>;
  /** One finding a model; all models, and all that tags point to, without refs. */
  verify(refs: readonly string[], signal: AbortSignal): AsyncIterable<VerifyResponse>;
}

/** Tags of other processes show in Stat and List after at most this time. */
const TAG_CACHE_MS = 1000;
/** A page of models is cut after about this many bytes: it travels in one message. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;

export class BackedRegistry implements Registry {
  readonly spec: string;
  readonly #backend: RegistryBackend;
  readonly #log: Logger;
  readonly #verified = new VerifiedFiles();
  readonly #tags: Tags;
  readonly #resolving: Resolving;
  readonly #storing: Storing;
  #tagCache: { readonly until: number; readonly byHash: Promise<Map<string, string[]>> } | undefined;

  constructor(backend: RegistryBackend, stagingFolder: string, log: Logger) {
    this.spec = backend.spec;
    this.#backend = backend;
    this.#log = log;
    this.#tags = new Tags(backend, () => {
      this.#tagCache = undefined;
    });
    this.#resolving = new Resolving(backend, this.#tags);
    this.#storing = new Storing(backend, stagingFolder, this.#verified);
  }

  async store(model: NewModel, signal: AbortSignal): Promise<StoreResult> {
    const documents = checkNewModel(model);
    if (model.name !== "") await this.#refuseTakenName(model, documents, signal);
    const { metadata, created } = await this.#storing.store(model, documents, signal);
    const { name, force, actor } = model;
    const request = { name, force, actor, hash: metadata.hash, expectedHash: "", reason: "" };
    const move = name === "" ? undefined : withoutNonce(await this.#tags.move(request, signal));
    return { model: describe(metadata), created, move };
  }

  async load(
    ref: string,
    options: { readonly byPath: boolean; readonly offset: number },
    signal: AbortSignal,
  ): Promise<LoadedModel> {
    const { hash } = await this.#resolving.resolve(ref, signal);
    const metadata = await this.#metadata(hash, signal);
    const size = metadata.weights?.size ?? 0;
    if (!Number.isSafeInteger(options.offset) || options.offset < 0 || options.offset > size) {
      throw new PipekitError(
        "INVALID_ARGUMENT",
        `The offset ${options.offset} lies outside of ${size} bytes.`,
        {
          field: "offset",
          mend: "Give the number of bytes that you have already.",
        },
      );
    }
    const model = await this.#describeFully(metadata, signal);
    if (!options.byPath)
      return { model, weightsPath: "", weights: this.#weights(metadata, options.offset, signal) };
    return { model, weightsPath: await this.#weightsPath(metadata, signal), weights: noChunks() };
  }

  async stat(ref: string, signal: AbortSignal): Promise<Model> {
    const { hash } = await this.#resolving.resolve(ref, signal);
    const model = await this.#describeFully(await this.#metadata(hash, signal), signal);
    return { ...model, tags: await this.#tagsOf(hash, signal) };
  }

  async list(
    query: PageQuery & { readonly metadataFilterJson: string },
    signal: AbortSignal,
  ): Promise<{ models: Model[]; nextPageToken: string }> {
    const filter = [...parseObject(query.metadataFilterJson, "metadata_filter").value].map(
      ([key, value]) => [key, canonicalText(value)] as const,
    );
    const size = pageSize(query.pageSize);
    const models: Model[] = [];
    let bytes = 0;
    for await (const hash of this.#resolving.hashes("", query.pageToken, signal)) {
      const metadata = await readMetadata(this.#backend, hash, signal).catch((error: unknown) => {
        const corrupt = asCorrupt(error, hash);
        if (corrupt === error) throw error;
        this.#log.warn({ err: corrupt }, "a damaged model was left out of a list");
        return undefined;
      });
      if (metadata === undefined) continue;
      const fits = filter.every(([key, text]) => {
        const value = metadata.free.get(key);
        return value !== undefined && canonicalText(value) === text;
      });
      if (!fits) continue;
      if (models.length >= size || bytes > MAX_PAGE_BYTES) {
        return { models, nextPageToken: models.at(-1)?.hash ?? "" };
      }
      const model = { ...describe(metadata), tags: await this.#tagsOf(hash, signal) };
      bytes += model.operatorJson.length + model.metadataJson.length + model.trainingConfigJson.length;
      models.push(model);
    }
    return { models, nextPageToken: "" };
  }

  async tag(request: TagRequestOptions, signal: AbortSignal): Promise<TagMove> {
    checkTagName(request.name);
    checkText("actor", request.actor);
    checkText("reason", request.reason);
    const { hash } = await this.#resolving.resolve(request.ref, signal);
    await this.#metadata(hash, signal);
    return withoutNonce(await this.#tags.move({ ...request, hash }, signal));
  }

  resolve(ref: string, signal: AbortSignal): Promise<Resolved> {
    return this.#resolving.resolve(ref, signal);
  }

  async tagHistory(
    name: string,
    query: PageQuery,
    signal: AbortSignal,
  ): Promise<{ moves: TagMove[]; nextPageToken: string }> {
    checkTagName(name);
    const last = await this.#resolving.tag(name, signal);
    const from = query.pageToken === "" ? last.seq : Number(query.pageToken);
    if (!Number.isSafeInteger(from)) {
      throw new PipekitError("INVALID_ARGUMENT", "The page token is none of ours.", {
        field: "page_token",
        mend: "Use the token of the answer before, or none.",
      });
    }
    const end = Math.max(from - pageSize(query.pageSize), 0);
    const moves: TagMove[] = [];
    for (let seq = Math.min(from, last.seq); seq > end; seq--) {
      const move = await this.#tags.moveAt(last, seq, signal);
      if (move !== undefined) moves.push(withoutNonce(move));
    }
    return { moves, nextPageToken: end > 0 ? String(end) : "" };
  }

  watchTag(name: string, afterSeq: number, signal: AbortSignal): AsyncIterable<TagMove> {
    checkTagName(name);
    return watchMoves(this.#tags, name, afterSeq, signal);
  }

  verify(refs: readonly string[], signal: AbortSignal): AsyncIterable<VerifyResponse> {
    return verifyModels(this.#backend, this.#resolving, this.#tags, refs, signal);
  }

  /** Throws TAG_EXISTS when the tag points to what cannot become this model, whatever its weights are. */
  async #refuseTakenName(model: NewModel, documents: Documents, signal: AbortSignal): Promise<void> {
    const last = model.force ? undefined : await this.#tags.current(model.name, signal);
    if (last === undefined) return;
    const there = await readMetadata(this.#backend, last.hash, signal).catch(() => undefined);
    const canBecome =
      there !== undefined &&
      (model.weights === undefined) === (there.weights === undefined) &&
      there.manifest ===
        manifestText({
          operator: documents.operator.canonical,
          trainingConfig: documents.trainingConfig?.canonical,
          datasetHash: model.datasetHash,
          weights: there.weights,
        });
    if (!canBecome) throw tagExists(model.name, last.hash);
  }

  async #metadata(hash: string, signal: AbortSignal): Promise<Metadata> {
    const metadata = await readMetadata(this.#backend, hash, signal).catch((error: unknown) => {
      throw asCorrupt(error, hash);
    });
    if (metadata !== undefined) return metadata;
    throw new PipekitError(
      "CORRUPT_MODEL",
      `A tag points to the model ${hash}, whose metadata.json is missing.`,
      {
        field: hash,
        mend: "Store the model once more, or move the tag with `force`.",
      },
    );
  }

  async #describeFully(metadata: Metadata, signal: AbortSignal): Promise<Model> {
    const { hash, operatorYaml, preview } = metadata;
    try {
      await readChecked(this.#backend, hash, FILES.operator, operatorYaml, signal);
      const bytes = preview && (await readChecked(this.#backend, hash, FILES.preview, preview, signal));
      return { ...describe(metadata), previewJson: bytes?.toString("utf8").trimEnd() ?? "" };
    } catch (error) {
      throw asCorrupt(error, hash);
    }
  }

  async *#weights(metadata: Metadata, offset: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    if (metadata.weights === undefined) return;
    const { hash, weights } = metadata;
    try {
      yield* verifiedWeights(this.#backend, hash, weights, offset, this.#verified, signal);
    } catch (error) {
      throw asCorrupt(error, hash);
    }
  }

  async #weightsPath(metadata: Metadata, signal: AbortSignal): Promise<string> {
    if (metadata.weights === undefined) return "";
    const path = this.#backend.localPath(modelKey(metadata.hash, FILES.weights));
    if (path === undefined) {
      throw new PipekitError("INVALID_ARGUMENT", `The registry ${this.spec} has no files on this host.`, {
        field: "by_path",
        mend: "Load the weights as a stream.",
      });
    }
    try {
      await this.#verified.check(path, FILES.weights, metadata.weights, signal);
    } catch (error) {
      throw asCorrupt(error, metadata.hash);
    }
    return path;
  }

  async #tagsOf(hash: string, signal: AbortSignal): Promise<string[]> {
    if (this.#tagCache === undefined || this.#tagCache.until < performance.now()) {
      const byHash = this.#tags.all(signal).then((hashes) => {
        const names = new Map<string, string[]>();
        for (const [name, pointed] of hashes) names.set(pointed, [...(names.get(pointed) ?? []), name]);
        return names;
      });
      this.#tagCache = { until: performance.now() + TAG_CACHE_MS, byHash };
      byHash.catch(() => {
        this.#tagCache = undefined;
      });
    }
    return (await this.#tagCache.byHash).get(hash)?.sort() ?? [];
  }
}

function pageSize(asked: number): number {
  if (Number.isSafeInteger(asked) && asked >= 0 && asked <= 1000) return asked === 0 ? 100 : asked;
  throw new PipekitError("INVALID_ARGUMENT", `The page size ${asked} is not between 0 and 1000.`, {
    field: "page_size",
    mend: "Ask for 1 to 1000; 0 means 100.",
  });
}

function withoutNonce({ nonce: _, ...move }: TagMove & { nonce: string }): TagMove {
  return move;
}

async function* noChunks(): AsyncGenerator<Buffer> {}
