/** One registry over a backend: what its parts do, put together. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import type {
  CopyEvent,
  DiffResponse,
  GcPolicy,
  GcResponse,
  Model,
  Pin,
  TagMove,
  VerifyResponse,
} from "@pipekit/proto";
import { checkTagName } from "@pipekit/proto";
import type { Logger } from "pino";
import { whyAway } from "./away.ts";
import type { ModelCache } from "./cache/index.ts";
import { type Clock, systemClock, TIMES, type Times, timesFor } from "./collecting/clock.ts";
import { collect } from "./collecting/collecting.ts";
import { Leases } from "./collecting/leases.ts";
import type { Parts } from "./collecting/parts.ts";
import { checkPolicy } from "./collecting/policy.ts";
import { type Processes, unknownProcesses } from "./collecting/tombstone.ts";
import { type CopyParts, copyModels, exportModels, importModels } from "./copying/index.ts";
import { diffModels } from "./diffing/index.ts";
import { digestOfWeights } from "./hashing.ts";
import { historyPage } from "./history.ts";
import { Listing } from "./listing.ts";
import { isAway, Loading } from "./loading.ts";
import { checkMoveId } from "./made-moves.ts";
import { manifestText } from "./manifest.ts";
import { Damage } from "./metadata.ts";
import { describe, readMetadata } from "./model.ts";
import { checkNewModel, checkText, type Documents, type NewModel } from "./new-model.ts";
import { pageSize } from "./paging.ts";
import { Pins } from "./pins.ts";
import { Promoting } from "./promoting.ts";
import { Reading } from "./reading.ts";
import { metadataOf } from "./ready-documents.ts";
import type {
  CopyOptions,
  Deed,
  ExportOptions,
  ImportOptions,
  LoadedModel,
  OnProgress,
  PageQuery,
  Registry,
  StoreResult,
  TagDeed,
  TagRequestOptions,
} from "./registry.ts";
import { type Resolved, Resolving } from "./resolving.ts";
import { Storing, type TagIt } from "./storing.ts";
import { TagNames } from "./tag-names.ts";
import { Tags, tagExists } from "./tags.ts";
import { verifyModels } from "./verifying/index.ts";
import { watchMoves } from "./watching.ts";

/** What the host gives, and tests replace. */
export interface RegistrySeams {
  readonly clock?: Clock;
  readonly times?: Times;
  /** Default: of no process anything is known, so that what it left counts as alive for its full time. */
  readonly processes?: Processes;
}

export class BackedRegistry implements Registry {
  readonly spec: string;
  readonly atomic: boolean;
  readonly #backend: RegistryBackend;
  readonly #stagingFolder: string;
  readonly #tags: Tags;
  readonly #tagNames: TagNames;
  readonly #reading: Reading;
  readonly #loading: Loading;
  readonly #listing: Listing;
  readonly #resolving: Resolving;
  readonly #storing: Storing;
  readonly #leases: Leases;
  readonly #promoting: Promoting;
  readonly #pins: Pins;
  readonly #collectingParts: Parts;
  readonly #copyParts: CopyParts;

  constructor(
    backend: RegistryBackend,
    stagingFolder: string,
    cache: ModelCache,
    log: Logger,
    { clock = systemClock, times = TIMES, processes = unknownProcesses }: RegistrySeams = {},
  ) {
    this.spec = backend.spec;
    this.atomic = backend.properties.atomic;
    this.#backend = backend;
    this.#stagingFolder = stagingFolder;
    this.#tags = new Tags(backend, () => this.#tagNames.forget(), clock);
    this.#tagNames = new TagNames(this.#tags);
    this.#resolving = new Resolving(backend, this.#tags);
    this.#listing = new Listing(backend, this.#resolving, this.#tagNames, log);
    this.#reading = new Reading(backend, cache);
    this.#loading = new Loading(backend, this.#resolving, this.#reading, cache);
    this.#leases = new Leases(backend, clock, times, processes);
    this.#promoting = new Promoting(backend, this.#tags, this.#resolving, this.#leases);
    this.#pins = new Pins(backend, this.#resolving, this.#leases);
    this.#storing = new Storing(backend, stagingFolder, cache.verified, this.#leases);
    this.#copyParts = {
      backend,
      tags: this.#tags,
      resolving: this.#resolving,
      reading: this.#reading,
      storing: this.#storing,
      leases: this.#leases,
      verified: cache.verified,
    };
    this.#collectingParts = {
      backend,
      tags: this.#tags,
      clock,
      processes,
      times: timesFor(backend.properties, times),
    };
  }

  async store(model: NewModel, signal: AbortSignal, onProgress?: OnProgress): Promise<StoreResult> {
    const documents = checkNewModel(model);
    if (model.name !== "") await this.#refuseTakenName(model, documents, signal);
    const { name, force, actor, principal = "", moveId = "" } = model;
    const request = { name, force, actor, principal, moveId, expectedHash: "", reason: "" };
    const tagIt: TagIt = (hash, lease) => this.#promoting.tagHeld({ ...request, hash }, lease, signal);
    const tagging = name === "" ? undefined : tagIt;
    const stored = await this.#storing.store(model, documents, signal, tagging, onProgress);
    return { ...stored, model: describe(stored.metadata) };
  }

  async hash(model: NewModel, signal: AbortSignal, onProgress?: OnProgress): Promise<StoreResult> {
    const documents = checkNewModel(model);
    const weights = await digestOfWeights(model.weights, this.#stagingFolder, signal, onProgress);
    const ours = metadataOf(model, documents, weights);
    const there = await readMetadata(this.#backend, ours.hash, signal).catch((error: unknown) => {
      // A store would write it anew.
      if (error instanceof Damage) return undefined;
      throw error;
    });
    return { model: describe(there ?? ours), created: there === undefined, move: undefined };
  }

  load(
    ref: string,
    options: { readonly byPath: boolean; readonly offset: number },
    signal: AbortSignal,
    onProgress?: OnProgress,
  ): Promise<LoadedModel> {
    return this.#loading.load(ref, options, signal, onProgress);
  }

  async stat(ref: string, signal: AbortSignal): Promise<Model> {
    const model = await this.#loading.stat(ref, signal);
    const tags = await this.#tagNames.of(model.hash, signal).catch((error: unknown) => {
      // The model is told without them from what is kept here.
      if (isAway(error)) return [];
      throw error;
    });
    return { ...model, tags };
  }

  list(
    query: PageQuery & { readonly metadataFilterJson: string },
    signal: AbortSignal,
  ): Promise<{ models: Model[]; nextPageToken: string }> {
    return this.#listing.page(query, signal);
  }

  async tag(request: TagRequestOptions, signal: AbortSignal): Promise<TagMove> {
    checkTagName(request.name);
    checkMoveId(request.moveId);
    checkDeed(request);
    return this.#promoting.tag(request, signal);
  }

  resolve(ref: string, signal: AbortSignal): Promise<Resolved> {
    return this.#loading.resolve(ref, signal);
  }

  async tagHistory(
    name: string,
    query: PageQuery,
    signal: AbortSignal,
  ): Promise<{ moves: TagMove[]; nextPageToken: string }> {
    checkTagName(name);
    return historyPage(this.#tags, await this.#resolving.tag(name, signal), query, signal);
  }

  watchTag(name: string, afterSeq: number, signal: AbortSignal): AsyncIterable<TagMove> {
    checkTagName(name);
    return watchMoves(this.#tags, name, afterSeq, signal);
  }

  verify(
    refs: readonly string[],
    signal: AbortSignal,
    { quick } = { quick: false },
  ): AsyncIterable<VerifyResponse> {
    return verifyModels(this.#copyParts, refs, quick, signal);
  }

  async rollbackTag(request: TagDeed & { readonly steps: number }, signal: AbortSignal): Promise<TagMove> {
    checkTagName(request.name);
    checkMoveId(request.moveId);
    checkDeed(request);
    return this.#promoting.rollback(request, signal);
  }

  async deleteTag(
    request: TagDeed & { readonly expectedHash: string },
    signal: AbortSignal,
  ): Promise<TagMove> {
    checkTagName(request.name);
    checkMoveId(request.moveId);
    checkDeed(request);
    return this.#promoting.delete(request, signal);
  }

  async listTags(
    { pageSize: size, pageToken }: PageQuery,
    signal: AbortSignal,
  ): Promise<{ tags: TagMove[]; nextPageToken: string }> {
    const { tags, next } = await this.#promoting.list(pageToken, pageSize(size), signal);
    return { tags, nextPageToken: next };
  }

  async pin(request: Deed & { readonly ref: string }, signal: AbortSignal): Promise<Pin> {
    checkDeed(request);
    return this.#pins.pin(request, signal);
  }

  unpin(ref: string, signal: AbortSignal): Promise<boolean> {
    return this.#pins.unpin(ref, signal);
  }

  listPins(signal: AbortSignal): Promise<Pin[]> {
    return this.#pins.list(signal);
  }

  async *gc(
    request: { readonly policy: GcPolicy | undefined; readonly apply: boolean; readonly actor: string },
    signal: AbortSignal,
  ): AsyncGenerator<GcResponse> {
    const policy = checkPolicy(request.policy);
    checkText("actor", request.actor);
    // Leases of calls that have ended would keep their models this once.
    await this.#leases.settled();
    yield* collect(this.#collectingParts, { ...request, policy }, signal);
  }

  copyTo(target: Registry, options: CopyOptions, signal: AbortSignal): AsyncIterable<CopyEvent> {
    if (!(target instanceof BackedRegistry)) {
      throw whyAway(target) ?? new Error("The target is no registry of this daemon.");
    }
    checkText("actor", options.actor);
    return copyModels(this.#copyParts, target.#copyParts, options, signal);
  }

  exportTo(path: string, options: ExportOptions, signal: AbortSignal): AsyncIterable<CopyEvent> {
    return exportModels(this.#copyParts, path, options, signal);
  }

  importFrom(path: string, options: ImportOptions, signal: AbortSignal): AsyncIterable<CopyEvent> {
    checkText("actor", options.actor);
    return importModels(this.#copyParts, path, options, signal);
  }

  async diff(refA: string, refB: string, signal: AbortSignal): Promise<DiffResponse> {
    const [a, b] = await Promise.all([this.resolve(refA, signal), this.resolve(refB, signal)]);
    return diffModels(this.#reading, a.hash, b.hash, signal);
  }

  /** Throws TAG_EXISTS when the tag points to what cannot become this model, whatever its weights are. */
  async #refuseTakenName(model: NewModel, documents: Documents, signal: AbortSignal): Promise<void> {
    const last = model.force ? undefined : await this.#tags.current(model.name, signal);
    if (last === undefined || last.hash === "") return;
    // Others may have moved it on since an earlier attempt of this call.
    if ((await this.#tags.made(last, model.moveId, signal)) !== undefined) return;
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

function checkDeed({ actor, reason }: Deed): void {
  checkText("actor", actor);
  checkText("reason", reason);
}
