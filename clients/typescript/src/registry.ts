import { resolve } from "node:path";
import {
  type Model,
  PipekitError,
  type StoreHeader,
  type TagMove,
  type VerifyResponse,
} from "@pipekit/proto";
import { answers, type CallSettings, unary } from "./calls.ts";
import type { Connection } from "./connection.ts";
import { copyToFile, downloadToBuffer, downloadToFile } from "./download.ts";
import { toJson } from "./json.ts";
import {
  defaultActor,
  type ListModelsOptions,
  type Loaded,
  type LoadOptions,
  type Stored,
  type StoreOptions,
  type TagOptions,
} from "./registry-types.ts";
import { finite, pages, resuming } from "./streams.ts";
import { piecesOf, upload } from "./upload.ts";

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
    const make = () => {
      const body = again && chunks ? piecesOf(weights as Uint8Array) : chunks;
      return upload(this.#connection.services.registry, header, body, signal);
    };
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
    const ask = (pageToken: string) => {
      const request = { registry: this.spec, name, pageSize: 0, pageToken };
      return this.#connection.call(
        ({ registry }) => unary(registry.tagHistory.bind(registry), request, { signal }),
        signal,
      );
    };
    for await (const page of pages(ask)) yield* page.moves;
  }

  /** The models, in byte order of their hashes. */
  async *list({ metadata, signal }: ListModelsOptions = {}): AsyncGenerator<Model> {
    const metadataFilterJson = optionalJson(metadata, "metadata");
    const ask = (pageToken: string) => {
      const request = { registry: this.spec, metadataFilterJson, pageSize: 0, pageToken };
      return this.#connection.call(
        ({ registry }) => unary(registry.list.bind(registry), request, { signal }),
        signal,
      );
    };
    for await (const page of pages(ask)) yield* page.models;
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
}

function optionalJson(value: unknown, field: string): string {
  return value === undefined ? "" : toJson(value, field);
}
