/** One registry: models by the hash of their content, and names that point to hashes. */
import type {
  CopyEvent,
  DiffResponse,
  GcPolicy,
  GcResponse,
  Model,
  Pin,
  Progress,
  TagMove,
  VerifyResponse,
} from "@pipekit/proto";
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

/** Told how far a long call is. Called often; must not throw. */
export type OnProgress = (progress: Progress) => void;

/** Who does something, and why; both may be empty. */
export interface Deed {
  readonly actor: string;
  readonly reason: string;
  /** Who it is as the daemon knows it; nobody when absent. */
  readonly principal?: string;
}

/** Something done to a tag. */
export interface TagDeed extends Deed, Pick<MoveRequest, "name" | "moveId"> {}

/** What of a registry is brought over to another. */
export interface CopyOptions {
  /** Empty for all models. */
  readonly refs: readonly string[];
  readonly withoutTags: boolean;
  /** Lets a tag move whose history went another way in the target. */
  readonly force: boolean;
  readonly actor: string;
  /** Recorded in a forced move; those that are brought over keep their own. */
  readonly principal?: string;
}

/** What of a registry is written into an archive. */
export interface ExportOptions extends Pick<CopyOptions, "refs" | "withoutTags"> {
  /** Replaces a file of the name. */
  readonly overwrite: boolean;
}

/** What of an archive is taken in. */
export type ImportOptions = Omit<CopyOptions, "refs">;

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
  /** Whether moves of tags are linearizable among daemons; false: among the calls of this one. */
  readonly atomic: boolean;
  /**
   * Throws NOT_AN_OPERATOR, INVALID_CONFIG, TAG_NAME_INVALID, TAG_EXISTS, INVALID_ARGUMENT, ARTIFACT_UNREADABLE,
   * STORAGE_FULL. Cancelled before the weights are in, it leaves nothing.
   */
  store(model: NewModel, signal: AbortSignal, onProgress?: OnProgress): Promise<StoreResult>;
  /**
   * What a store of the model would answer, while nothing is stored and no tag moves. Throws what store throws, but
   * TAG_EXISTS.
   */
  hash(model: NewModel, signal: AbortSignal, onProgress?: OnProgress): Promise<StoreResult>;
  load(
    ref: string,
    options: { readonly byPath: boolean; readonly offset: number },
    signal: AbortSignal,
    onProgress?: OnProgress,
  ): Promise<LoadedModel>;
  stat(ref: string, signal: AbortSignal): Promise<Model>;
  /** Models in byte order of their hashes; damaged ones are left out and logged. Throws INVALID_CONFIG for the filter. */
  list(
    query: PageQuery & { readonly metadataFilterJson: string },
    signal: AbortSignal,
  ): Promise<{ models: Model[]; nextPageToken: string }>;
  /**
   * Throws TAG_EXISTS, TAG_CONFLICT, TAG_NAME_INVALID. Here and in the other calls that move a tag: one whose `moveId` has made
   * a move already is told that move, and makes none.
   */
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
  /** By a new move. `steps` is 1 or more. Throws TAG_CONFLICT when the tag moves meanwhile, TAG_NAME_INVALID. */
  rollbackTag(request: TagDeed & { readonly steps: number }, signal: AbortSignal): Promise<TagMove>;
  /** By a move whose hash is empty. Throws TAG_CONFLICT, TAG_NAME_INVALID. */
  deleteTag(request: TagDeed & { readonly expectedHash: string }, signal: AbortSignal): Promise<TagMove>;
  /** Tags that lead to a model, in byte order. */
  listTags(query: PageQuery, signal: AbortSignal): Promise<{ tags: TagMove[]; nextPageToken: string }>;
  pin(request: Deed & { readonly ref: string }, signal: AbortSignal): Promise<Pin>;
  /** False when there was no pin. */
  unpin(ref: string, signal: AbortSignal): Promise<boolean>;
  listPins(signal: AbortSignal): Promise<Pin[]>;
  /** An entry a model that nothing keeps, progress in between, a summary last. Throws GC_ABORTED, INVALID_CONFIG. */
  gc(
    request: { readonly policy: GcPolicy | undefined; readonly apply: boolean; readonly actor: string },
    signal: AbortSignal,
  ): AsyncIterable<GcResponse>;
  /** One finding a model; all models, and all that tags point to, without refs. `quick` reads no weights. */
  verify(
    refs: readonly string[],
    signal: AbortSignal,
    options?: { readonly quick: boolean },
  ): AsyncIterable<VerifyResponse>;
  /** Brings models into `target`. Throws what load and store throw. */
  copyTo(target: Registry, options: CopyOptions, signal: AbortSignal): AsyncIterable<CopyEvent>;
  /** Writes an archive at the absolute `path`. Throws INVALID_ARGUMENT, STORAGE_FULL. */
  exportTo(path: string, options: ExportOptions, signal: AbortSignal): AsyncIterable<CopyEvent>;
  /** Takes an archive in. Throws ARTIFACT_UNREADABLE, CORRUPT_ARCHIVE, STORAGE_FULL. */
  importFrom(path: string, options: ImportOptions, signal: AbortSignal): AsyncIterable<CopyEvent>;
  diff(refA: string, refB: string, signal: AbortSignal): Promise<DiffResponse>;
}
