import { hostname, userInfo } from "node:os";
import { resolve } from "node:path";
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import {
  type Model,
  PipekitError,
  type StoreHeader,
  type StoreRequest,
  type StoreResponse,
  type TagMove,
  type VerifyResponse,
} from "@pipekit/proto";
import { answers, type CallSettings, failure, unary } from "./calls.ts";
import type { Connection } from "./connection.ts";
import { toJson } from "./json.ts";
import { finite, resuming } from "./streams.ts";
import { copyToFile, downloadToBuffer, downloadToFile, type Progress, sendChunks } from "./transfer.ts";

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

/**
 * A registry of models. A `ref` is a hash, a unique hash prefix of 8 characters or more, a tag `name`, `name@7` or
 * `name~1`. Every method throws PipekitError: REF_INVALID, REF_NOT_FOUND, REF_AMBIGUOUS, INVALID_REGISTRY_SPEC,
 * DAEMON_UNAVAILABLE, and what its comment names.
 */
export class Registry {
  readonly spec: string;
  readonly #connection: Connection;

  constructor(connection: Connection, spec: string) {
    this.#connection = connection;
    this.spec = spec;
  }

  /** Stores a model; harmless when it is there. Throws NOT_AN_OPERATOR, INVALID_CONFIG, TAG_EXISTS, TAG_NAME_INVALID, STORAGE_FULL. */
  async store(options: StoreOptions): Promise<Stored> {
    const { weights, signal } = options;
    const byPath = typeof weights === "string";
    const header: StoreHeader = {
      registry: this.spec,
      operatorJson: toJson(options.operator, "operator"),
      trainingConfigJson: optionalJson(options.trainingConfig, "trainingConfig"),
      datasetHash: options.datasetHash ?? "",
      metadataJson: optionalJson(options.metadata, "metadata"),
      previewJson: optionalJson(options.preview, "preview"),
      runId: options.runId ?? "",
      name: options.name ?? "",
      force: options.force ?? false,
      hasWeights: weights !== undefined,
      weightsPath: byPath ? resolve(weights) : "",
      weightsStaged: false,
      weightsFormat: options.weightsFormat ?? "",
      actor: options.actor ?? defaultActor(),
    };
    const chunks = byPath || weights === undefined ? undefined : piecesOf(weights);
    // A stream can be read only once, so that nothing is left to send a second time.
    const again = chunks === undefined || weights instanceof Uint8Array;
    const make = () => this.#send(header, again && chunks ? piecesOf(weights as Uint8Array) : chunks, signal);
    const { model, created, move } = again ? await this.#connection.call(make, signal) : await make();
    if (model === undefined) throw new PipekitError("INTERNAL", "The daemon answered without a model.");
    return { model, created, move };
  }

  /** Tells the hash that a ref stands for. */
  async resolve(ref: string, { signal }: CallSettings = {}): Promise<string> {
    const request = { registry: this.spec, ref };
    const answer = await this.#connection.call(
      ({ registry }) => unary(registry.resolveTag.bind(registry), request, { signal }),
      signal,
    );
    return answer.hash;
  }

  /** Describes a model. */
  async stat(ref: string, { signal }: CallSettings = {}): Promise<Model> {
    const request = { registry: this.spec, ref };
    const { model } = await this.#connection.call(
      ({ registry }) => unary(registry.stat.bind(registry), request, { signal }),
      signal,
    );
    if (model === undefined) throw new PipekitError("INTERNAL", "The daemon answered without a model.");
    return model;
  }

  /**
   * Loads a model's weights, verified. With `toFile` the file appears when it is whole; a failure or an abort leaves
   * nothing behind. Throws CORRUPT_MODEL, INVALID_ARGUMENT when the model has no weights.
   */
  async load(ref: string, options: LoadOptions = {}): Promise<Loaded> {
    const { toFile, signal, onProgress } = options;
    if (toFile === undefined) return this.#loadByPath(ref, signal);
    const { model, path } = await this.#locate(ref, signal);
    // The hash from here on: a tag may move meanwhile.
    const request = { registry: this.spec, ref: model.hash, signal, onProgress };
    const copied = path === "" ? undefined : await copyToFile(model, path, request, toFile);
    return {
      model: copied ?? (await downloadToFile(this.#connection, request, toFile)),
      path: resolve(toFile),
    };
  }

  /** Loads a model's weights into memory, verified. Throws CORRUPT_MODEL, INVALID_ARGUMENT when it has none. */
  async loadWeights(ref: string, { signal, onProgress }: Omit<LoadOptions, "toFile"> = {}): Promise<Buffer> {
    const request = { registry: this.spec, ref, signal, onProgress };
    return (await downloadToBuffer(this.#connection, request)).weights;
  }

  /** Points a tag to a model. Throws TAG_EXISTS without `force`, TAG_CONFLICT, TAG_NAME_INVALID. */
  async tag(ref: string, name: string, options: TagOptions = {}): Promise<TagMove> {
    const { signal } = options;
    const request = {
      registry: this.spec,
      ref,
      name,
      force: options.force ?? false,
      expectedHash: options.expectedHash ?? "",
      actor: options.actor ?? defaultActor(),
      reason: options.reason ?? "",
    };
    const { move } = await this.#connection.call(
      ({ registry }) => unary(registry.tag.bind(registry), request, { signal }),
      signal,
    );
    if (move === undefined) throw new PipekitError("INTERNAL", "The daemon answered without a move.");
    return move;
  }

  /** The moves of a tag, newest first. */
  async *history(name: string, { signal }: CallSettings = {}): AsyncGenerator<TagMove> {
    let pageToken = "";
    do {
      const request = { registry: this.spec, name, pageSize: 0, pageToken };
      const page = await this.#connection.call(
        ({ registry }) => unary(registry.tagHistory.bind(registry), request, { signal }),
        signal,
      );
      yield* page.moves;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** The models, in byte order of their hashes. */
  async *list({ metadata, signal }: ListModelsOptions = {}): AsyncGenerator<Model> {
    const metadataFilterJson = optionalJson(metadata, "metadata");
    let pageToken = "";
    do {
      const request = { registry: this.spec, metadataFilterJson, pageSize: 0, pageToken };
      const page = await this.#connection.call(
        ({ registry }) => unary(registry.list.bind(registry), request, { signal }),
        signal,
      );
      yield* page.models;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** Recomputes the digests of models (default: of all); one finding a model. */
  verify(refs: readonly string[] = [], { signal }: CallSettings = {}): AsyncGenerator<VerifyResponse> {
    const request = { registry: this.spec, refs: [...refs] };
    return finite(this.#connection, () => this.#connection.services.registry.verify(request), signal);
  }

  /**
   * The moves of a tag after `afterSeq`, then each new one as it is made; with 0, first where it points now. Goes on
   * over restarts of the daemon, without a gap or a repeat. Ends by leaving the loop, or by throwing the signal's reason.
   */
  async *watchTag(
    name: string,
    { afterSeq = 0, signal }: CallSettings & { readonly afterSeq?: number } = {},
  ): AsyncGenerator<TagMove> {
    let seen = afterSeq;
    const open = () =>
      this.#connection.services.registry.watchTag({ registry: this.spec, name, afterSeq: seen });
    for await (const { move } of resuming(this.#connection, open, signal)) {
      if (move === undefined || move.seq <= seen) continue;
      seen = move.seq;
      yield move;
    }
  }

  async #loadByPath(ref: string, signal: AbortSignal | undefined): Promise<Loaded> {
    const located = await this.#locate(ref, signal);
    if (located.path !== "") return located;
    const { hash, hasWeights } = located.model;
    throw new PipekitError("INVALID_ARGUMENT", `The model ${hash} has no weights file on this host.`, {
      field: "ref",
      mend: hasWeights ? "Load it with `toFile`." : "Read its operator with stat() instead.",
    });
  }

  /** A model, and the daemon's own file of its weights, verified; an empty path when there is none on this host. */
  #locate(ref: string, signal: AbortSignal | undefined): Promise<Loaded> {
    const request = { registry: this.spec, ref, byPath: true, offset: 0 };
    return this.#connection.call(async ({ registry }) => {
      for await (const { part } of answers(() => registry.load(request), signal)) {
        if (part?.$case !== "header" || part.value.model === undefined) continue;
        return { model: part.value.model, path: part.value.weightsPath };
      }
      throw new PipekitError("INTERNAL", "The daemon sent no header.");
    }, signal);
  }

  async #send(
    header: StoreHeader,
    chunks: AsyncIterable<Uint8Array> | undefined,
    signal: AbortSignal | undefined,
  ): Promise<StoreResponse> {
    signal?.throwIfAborted();
    const over = new AbortController();
    const { registry } = this.#connection.services;
    const { promise, resolve: done, reject } = Promise.withResolvers<StoreResponse>();
    const call = registry.store(new Metadata(), {}, (error: ServiceError | null, answer: StoreResponse) => {
      over.abort();
      if (error === null) done(answer);
      else reject(failure(error, signal));
    });
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    call.on("error", () => over.abort());
    try {
      call.write({ part: { $case: "header", value: header } } satisfies StoreRequest);
      const sending = chunks === undefined ? Promise.resolve() : sendChunks(call, chunks, over.signal);
      sending.then(
        () => call.end(),
        (error: unknown) => {
          reject(error);
          call.cancel();
        },
      );
      return await promise;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }
}

function optionalJson(value: unknown, field: string): string {
  return value === undefined ? "" : toJson(value, field);
}

async function* piecesOf(weights: Uint8Array | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (weights instanceof Uint8Array) yield weights;
  else yield* weights;
}
