/** One registry: models by the hash of their content, and names that point to hashes. */
import type { Model, TagMove, VerifyResponse } from "@pipekit/proto";
import type { NewModel } from "./new-model.ts";
import type { Resolved } from "./resolving.ts";
import type { MoveRequest } from "./tags.ts";

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
