/** Versions of data sets in a DVC repository on the daemon's host. */
import { resolve } from "node:path";
import type { ClientReadableStream } from "@grpc/grpc-js";
import {
  type Dataset,
  type DatasetEntry,
  type DatasetTransfer,
  PipekitError,
  type Progress,
} from "@pipekit/proto";
import { type CallSettings, unary } from "./calls.ts";
import type { Connection } from "./connection.ts";
import { finite } from "./streams.ts";

/** Settings of calls that may take long. */
export interface DatasetCallSettings extends CallSettings {
  /** Told a few times a second of bytes and files. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** What a push is about. */
export interface PushOptions extends DatasetCallSettings {
  /** Paths of data, `.dvc` files, stages or hashes; default all. */
  readonly targets?: readonly string[] | undefined;
  /** Name of a remote; default the repository's. */
  readonly remote?: string | undefined;
}

/** What a pull is about. */
export interface PullOptions extends PushOptions {
  /** Gives up unsaved changes of the workspace. */
  readonly force?: boolean | undefined;
}

/** What a checkout puts where: `targets`, or the data of `hash` at `path`. */
export interface CheckoutOptions extends PullOptions {
  readonly hash?: string | undefined;
  readonly path?: string | undefined;
}

/** One message of a stream that tells its progress, and its answer last. */
interface Telling<A> {
  told?: { $case: "progress"; value: Progress } | A | undefined;
}

/**
 * The data sets of one repository. Paths are absolute, or relative to the repository. Every method throws PipekitError:
 * INVALID_ARGUMENT, CORRUPT_DATASET, DATASET_LOCKED, STORAGE_FULL, DAEMON_UNAVAILABLE, and what its comment names.
 */
export class Datasets {
  readonly #connection: Connection;
  /** Absolute path of the repository's folder, or of one in it. */
  readonly repo: string;

  constructor(connection: Connection, repo: string) {
    this.#connection = connection;
    this.repo = resolve(repo);
  }

  /** Puts a file or folder into the cache and writes its `.dvc` file. Throws ARTIFACT_UNREADABLE. */
  add(path: string, settings: DatasetCallSettings = {}): Promise<Dataset> {
    const request = { repo: this.repo, path };
    return this.#last(({ dataset }) => dataset.addDataset(request), "dataset", settings);
  }

  /** Computes the hashes of a file or folder; writes nothing. Throws ARTIFACT_UNREADABLE. */
  hash(path: string, settings: DatasetCallSettings = {}): Promise<Dataset> {
    const request = { repo: this.repo, path };
    return this.#last(({ dataset }) => dataset.hashDataset(request), "dataset", settings);
  }

  /** Compares what is recorded of targets, by default all, with the workspace and the cache; sorted by path. */
  async status(targets: readonly string[] = [], { signal }: CallSettings = {}): Promise<DatasetEntry[]> {
    const request = { repo: this.repo, targets: [...targets] };
    const { entries } = await this.#connection.call(
      ({ dataset }) => unary(dataset.datasetStatus.bind(dataset), request, { signal }),
      signal,
    );
    return entries;
  }

  /** Brings what a remote lacks there. Throws DATASET_NOT_FOUND, DATASET_REMOTE_UNAVAILABLE. */
  push(options: PushOptions = {}): Promise<DatasetTransfer> {
    const request = { repo: this.repo, ...choiceOf(options) };
    return this.#last(({ dataset }) => dataset.pushDatasets(request), "transfer", options);
  }

  /** Brings what the cache lacks from a remote, then checks it out. Throws what `checkout` throws. */
  pull(options: PullOptions = {}): Promise<DatasetTransfer> {
    const request = { repo: this.repo, ...choiceOf(options), force: options.force ?? false };
    return this.#last(({ dataset }) => dataset.pullDatasets(request), "transfer", options);
  }

  /**
   * Makes the workspace hold what is recorded, or `path` the data of `hash`; what the cache lacks is fetched. Throws
   * DATASET_NOT_FOUND, DATASET_CHANGED, DATASET_REMOTE_UNAVAILABLE.
   */
  checkout(options: CheckoutOptions = {}): Promise<DatasetTransfer> {
    const { hash = "", path = "", force = false } = options;
    const request = { repo: this.repo, ...choiceOf(options), hash, path, force };
    return this.#last(({ dataset }) => dataset.checkoutDataset(request), "transfer", options);
  }

  /** The answer that ends a stream. Begun anew, all of them go on where they were. */
  async #last<C extends "dataset" | "transfer", V>(
    open: (services: Connection["services"]) => ClientReadableStream<Telling<{ $case: C; value: V }>>,
    wanted: C,
    { signal, onProgress }: DatasetCallSettings,
  ): Promise<V> {
    for await (const { told } of finite(this.#connection, () => open(this.#connection.services), signal)) {
      if (told?.$case === "progress") onProgress?.(told.value as Progress);
      else if (told?.$case === wanted) return told.value as V;
    }
    throw new PipekitError("INTERNAL", "The daemon's answer was incomplete.", { mend: "See `pkx logs`." });
  }
}

function choiceOf({ targets = [], remote = "" }: PushOptions): { targets: string[]; remote: string } {
  return { targets: [...targets], remote };
}
