/** What a registry is asked and what it answers. */
import { hostname, userInfo } from "node:os";
import type { Model, TagMove } from "@pipekit/proto";
import type { CallSettings } from "./calls.ts";
import type { Progress } from "./download.ts";

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

/** Where to load to. */
export interface LoadOptions extends CallSettings {
  /** File to write. Without it, the path of the daemon's own read-only, verified file is returned. */
  readonly toFile?: string | undefined;
  readonly onProgress?: Progress | undefined;
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

/** Who moves a tag unless told otherwise. */
export function defaultActor(): string {
  return `${userInfo().username}@${hostname()}`;
}
