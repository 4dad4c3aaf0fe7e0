/** One registry over a backend: what its parts do, put together. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { type Model, PipekitError, type TagMove, type VerifyResponse } from "@pipekit/proto";
import type { Logger } from "pino";
import { canonicalText } from "../content/index.ts";
import { manifestText } from "./manifest.ts";
import { asCorrupt, describe, readMetadata } from "./model.ts";
import { checkNewModel, checkText, type Documents, type NewModel } from "./new-model.ts";
import { parseObject } from "./operator.ts";
import { Reading } from "./reading.ts";
import { checkTagName } from "./ref.ts";
import type { LoadedModel, PageQuery, Registry, StoreResult, TagRequestOptions } from "./registry.ts";
import { type Resolved, Resolving } from "./resolving.ts";
import { Storing } from "./storing.ts";
import { withoutNonce } from "./tag-file.ts";
import { TagNames } from "./tag-names.ts";
import { Tags, tagExists } from "./tags.ts";
import { VerifiedFiles } from "./verified.ts";
import { verifyModels } from "./verifying.ts";
import { watchMoves } from "./watching.ts";

/** A page of models is cut after about this many bytes: it travels in one message. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;

export class BackedRegistry implements Registry {
  readonly spec: string;
  readonly #backend: RegistryBackend;
  readonly #log: Logger;
  readonly #tags: Tags;
  readonly #tagNames: TagNames;
  readonly #reading: Reading;
  readonly #resolving: Resolving;
  readonly #storing: Storing;

  constructor(backend: RegistryBackend, stagingFolder: string, log: Logger) {
    this.spec = backend.spec;
    this.#backend = backend;
    this.#log = log;
    this.#tags = new Tags(backend, () => this.#tagNames.forget());
    this.#tagNames = new TagNames(this.#tags);
    this.#resolving = new Resolving(backend, this.#tags);
    const verified = new VerifiedFiles();
    this.#reading = new Reading(backend, verified);
    this.#storing = new Storing(backend, stagingFolder, verified);
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
    const metadata = await this.#reading.metadata(hash, signal);
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
    const model = await this.#reading.describe(metadata, signal);
    if (!options.byPath)
      return { model, weightsPath: "", weights: this.#reading.weights(metadata, options.offset, signal) };
    return { model, weightsPath: await this.#reading.weightsPath(metadata, signal), weights: noChunks() };
  }

  async stat(ref: string, signal: AbortSignal): Promise<Model> {
    const { hash } = await this.#resolving.resolve(ref, signal);
    const model = await this.#reading.describe(await this.#reading.metadata(hash, signal), signal);
    return { ...model, tags: await this.#tagNames.of(hash, signal) };
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
      const model = { ...describe(metadata), tags: await this.#tagNames.of(hash, signal) };
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
    await this.#reading.metadata(hash, signal);
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
}

function pageSize(asked: number): number {
  if (Number.isSafeInteger(asked) && asked >= 0 && asked <= 1000) return asked === 0 ? 100 : asked;
  throw new PipekitError("INVALID_ARGUMENT", `The page size ${asked} is not between 0 and 1000.`, {
    field: "page_size",
    mend: "Ask for 1 to 1000; 0 means 100.",
  });
}

async function* noChunks(): AsyncGenerator<Buffer> {}
