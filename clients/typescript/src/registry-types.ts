/** What a registry is asked and what it answers. */
import { hostname, userInfo } from "node:os";
import type { Model, TagMove } from "@pipekit/proto";
import type { CallSettings } from "./calls.ts";
import type { OnProgress } from "./progress.ts";

/** A pipekit operator's state. */
export interface OperatorState {
  readonly module: string;
  readonly class: string;
  readonly config: Readonly<{ [name: string]: unknown }>;
}

/** What to store. */
export interface StoreOptions extends CallSettings {
  readonly operator: OperatorState;
  /** The weights' bytes, a stream of them, or the path of a file; absent for a model without weights. */
  readonly weights?: Uint8Array | AsyncIterable<Uint8Array> | string | undefined;
  /** How the weights are encoded, such as `safetensors`; recorded only. */
  readonly weightsFormat?: string | undefined;
  /** Part of the model's identity. */
  readonly trainingConfig?: Readonly<{ [name: string]: unknown }> | undefined;
  /** Content hash of the training data; part of the model's identity. */
  readonly datasetHash?: string | undefined;
  readonly metadata?: Readonly<{ [name: string]: unknown }> | undefined;
  /** Input and output examples. */
  readonly preview?: unknown;
  readonly runId?: string | undefined;
  /** Tag to set once the model is stored. */
  readonly name?: string | undefined;
  /** Lets `name` move when it points elsewhere. */
  readonly force?: boolean | undefined;
  /** Default: user@host. */
  readonly actor?: string | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** What to hash. */
export type HashOptions = Omit<StoreOptions, "name" | "force">;

/** What a model would be called. */
export interface Hashed {
  readonly hash: string;
  /** Whether it is in the registry. */
  readonly stored: boolean;
}

/** What became of a store. */
export interface Stored {
  readonly model: Model;
  /** False when the model was there already. */
  readonly created: boolean;
  /** The tag move made for `name`, if any. */
  readonly move: TagMove | undefined;
}

/** How to move a tag. */
export interface TagOptions extends CallSettings {
  readonly force?: boolean | undefined;
  /** The move is made only if the tag points to this hash now. */
  readonly expectedHash?: string | undefined;
  readonly actor?: string | undefined;
  readonly reason?: string | undefined;
}

/** How far to go back, who does, and why. */
export interface RollbackOptions extends CallSettings {
  /** Moves to go back. Default 1. */
  readonly steps?: number | undefined;
  readonly actor?: string | undefined;
  readonly reason?: string | undefined;
}

/** Who deletes a tag, and why. */
export interface DeleteTagOptions extends CallSettings {
  /** Deleted only if the tag points to this hash now. */
  readonly expectedHash?: string | undefined;
  readonly actor?: string | undefined;
  readonly reason?: string | undefined;
}

/** From where on to watch a tag. */
export interface WatchOptions extends CallSettings {
  /** Only moves after this one. Default 0: from where the tag points now. */
  readonly afterSeq?: number | undefined;
}

/** Where to load to. */
export interface LoadOptions extends CallSettings {
  /** File to write. Without it, the path of the daemon's own read-only, verified file is returned. */
  readonly toFile?: string | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** A model and where its weights are. */
export interface Loaded {
  readonly model: Model;
  /** Absolute path of the weights. */
  readonly path: string;
}

/** What to list. */
export interface ListModelsOptions extends CallSettings {
  /** Keep models whose metadata has every one of these entries. */
  readonly metadata?: Readonly<{ [name: string]: unknown }> | undefined;
}

/** Who pins a model, and why. */
export interface PinOptions extends CallSettings {
  readonly actor?: string | undefined;
  readonly reason?: string | undefined;
}

/** What a collection keeps, besides models that are tagged, pinned or in use. */
export interface KeepPolicy {
  /** The newest so many models. Default 0. */
  readonly keepLast?: number | undefined;
  /** Models stored within this time, milliseconds. Default 24 hours. */
  readonly minAgeMs?: number | undefined;
  /** Models to which one of the last so many moves of a tag led. Default 10. */
  readonly keepMoves?: number | undefined;
  /** Models to which a tag pointed within this time, milliseconds. Default 30 days. */
  readonly keepMovedMs?: number | undefined;
  /** Models whose metadata has every entry of one of these. */
  readonly keepMetadata?: readonly Readonly<{ [name: string]: unknown }>[] | undefined;
}

/** What to collect. */
export interface GcOptions extends CallSettings {
  readonly policy?: KeepPolicy | undefined;
  /** Deletes; by default it is only told what would be. */
  readonly apply?: boolean | undefined;
  readonly actor?: string | undefined;
}

/** How to verify. */
export interface VerifyOptions extends CallSettings {
  /** Reads no weights: compares sizes, and the checksums that the server keeps where they serve. */
  readonly quick?: boolean | undefined;
}

/** What to copy. */
export interface CopyOptions extends CallSettings {
  /** Default: all models. */
  readonly refs?: readonly string[] | undefined;
  /** Leaves out the tags that point to the models, and their histories. */
  readonly withoutTags?: boolean | undefined;
  /** Lets a tag move in the target whose history went another way there. */
  readonly force?: boolean | undefined;
  readonly actor?: string | undefined;
}

/** What to export. */
export interface ExportOptions extends Pick<CopyOptions, "refs" | "withoutTags" | "signal"> {
  /** Replaces a file of the name. */
  readonly overwrite?: boolean | undefined;
}

/** What to import. */
export type ImportOptions = Omit<CopyOptions, "refs">;

/** Who moves a tag unless told otherwise. */
export function defaultActor(): string {
  return `${userInfo().username}@${hostname()}`;
}
