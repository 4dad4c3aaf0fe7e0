import { resolve } from "node:path";
import { type Model, PipekitError, type StoreHeader } from "@pipekit/proto";
import { answers, type CallSettings, unary } from "./calls.ts";
import { copyToFile, downloadToBuffer, downloadToFile } from "./download.ts";
import { toJson } from "./json.ts";
import { type OnProgress, tell } from "./progress.ts";
import { newMoveId, PAGE, present } from "./registry-calls.ts";
import { CopyCalls } from "./registry-copies.ts";
import {
  defaultActor,
  type Hashed,
  type HashOptions,
  type ListModelsOptions,
  type Loaded,
  type LoadOptions,
  type Stored,
  type StoreOptions,
} from "./registry-types.ts";
import { pages } from "./streams.ts";
import { piecesOf, upload } from "./upload.ts";

/**
 * A registry of models. A `ref` is a hash, a unique hash prefix of 8 characters or more, a tag `name`, `name@7` or
 * `name~1`. Every method throws PipekitError: REF_INVALID, REF_NOT_FOUND, REF_AMBIGUOUS, INVALID_REGISTRY_SPEC,
 * REGISTRY_REFUSED, REGISTRY_UNAVAILABLE, DAEMON_UNAVAILABLE, and what its comment names. Tags are in registry-tags.ts,
 * collection and verification in registry-upkeep.ts, copies and archives in registry-copies.ts.
 */
export class Registry extends CopyCalls {
  /** Stores a model; harmless when it is there. Throws NOT_AN_OPERATOR, INVALID_CONFIG, TAG_EXISTS, TAG_NAME_INVALID, STORAGE_FULL. */
  store(options: StoreOptions): Promise<Stored> {
    return this.#send(options, false);
  }

  /**
   * The hash that the model would have, and whether it is there; stores nothing and moves no tag. Throws NOT_AN_OPERATOR,
   * INVALID_CONFIG.
   */
  async hash(options: HashOptions): Promise<Hashed> {
    const { model, created } = await this.#send(options, true);
    return { hash: model.hash, stored: !created };
  }

  /** Describes a model. */
  async stat(ref: string, { signal }: CallSettings = {}): Promise<Model> {
    const request = { registry: this.spec, ref };
    const { model } = await this.ask(
      (registry) => unary(registry.stat.bind(registry), request, { signal }),
      signal,
    );
    return present(model, "model");
  }

  /**
   * Loads a model's weights, verified. With `toFile` the file appears when it is whole; a failure or an abort leaves
   * nothing behind. Throws CORRUPT_MODEL, INVALID_ARGUMENT when the model has no weights.
   */
  async load(ref: string, options: LoadOptions = {}): Promise<Loaded> {
    const { toFile, signal, onProgress } = options;
    if (toFile === undefined) return this.#loadByPath(ref, options);
    const located = this.connection.remote
      ? undefined
      : await this.#locate(ref, signal, onProgress).catch(unlessFull);
    // The hash from here on: a tag may move meanwhile.
    const request = { registry: this.spec, ref: located?.model.hash ?? ref, signal, onProgress };
    const copied = located?.path ? await copyToFile(located.model, located.path, request, toFile) : undefined;
    return {
      model: copied ?? (await downloadToFile(this.connection, request, toFile)),
      path: resolve(toFile),
    };
  }

  /** Loads a model's weights into memory, verified. Throws CORRUPT_MODEL, INVALID_ARGUMENT when it has none. */
  async loadWeights(ref: string, { signal, onProgress }: Omit<LoadOptions, "toFile"> = {}): Promise<Buffer> {
    const request = { registry: this.spec, ref, signal, onProgress };
    return (await downloadToBuffer(this.connection, request)).weights;
  }

  /** The models, in byte order of their hashes. */
  async *list({ metadata, signal }: ListModelsOptions = {}): AsyncGenerator<Model> {
    const metadataFilterJson = optionalJson(metadata, "metadata");
    const ask = (pageToken: string) => {
      const request = { registry: this.spec, metadataFilterJson, pageSize: PAGE, pageToken };
      return this.ask((registry) => unary(registry.list.bind(registry), request, { signal }), signal);
    };
    for await (const page of pages(ask)) yield* page.models;
  }

  async #send(options: StoreOptions, hashOnly: boolean): Promise<Stored> {
    const { weights, signal } = options;
    const byPath = typeof weights === "string" && !this.connection.remote;
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
      hashOnly,
      weightsFormat: options.weightsFormat ?? "",
      actor: options.actor ?? defaultActor(),
      moveId: newMoveId(),
    };
    const sent = byPath ? undefined : weights;
    // A stream can be read only once, so that nothing is left to send a second time.
    const again = sent === undefined || typeof sent === "string" || sent instanceof Uint8Array;
    const make = () =>
      upload(
        this.connection.services.registry,
        header,
        sent === undefined ? undefined : piecesOf(sent),
        options,
      );
    const { model, created, move } = again ? await this.ask(make, signal) : await make();
    return { model: present(model, "model"), created, move };
  }

  async #loadByPath(ref: string, { signal, onProgress }: LoadOptions): Promise<Loaded> {
    const located = await this.#locate(ref, signal, onProgress);
    if (located.path !== "") return located;
    const { hash, hasWeights } = located.model;
    throw new PipekitError("INVALID_ARGUMENT", `The model ${hash} has no weights file on this host.`, {
      field: "ref",
      mend: hasWeights ? "Load it with `toFile`." : "Read its operator with stat() instead.",
    });
  }

  /** A model, and the daemon's own file of its weights, verified; an empty path when there is none on this host. */
  #locate(ref: string, signal: AbortSignal | undefined, onProgress: OnProgress | undefined): Promise<Loaded> {
    const progress = onProgress !== undefined;
    const request = { registry: this.spec, ref, byPath: true, offset: 0, progress };
    return this.ask(async (registry) => {
      for await (const { part } of answers(() => registry.load(request), signal)) {
        if (part?.$case === "progress") tell(onProgress, part.value);
        if (part?.$case !== "header" || part.value.model === undefined) continue;
        return { model: part.value.model, path: part.value.weightsPath };
      }
      throw new PipekitError("INTERNAL", "The daemon sent no header.");
    }, signal);
  }
}

/** Where the daemon's host has no room for a file of the weights, a stream needs none. */
function unlessFull(error: unknown): undefined {
  if (error instanceof PipekitError && error.code === "STORAGE_FULL") return undefined;
  throw error;
}

function optionalJson(value: unknown, field: string): string {
  return value === undefined ? "" : toJson(value, field);
}
