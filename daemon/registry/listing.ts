/** Models of a registry, page by page. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import type { Model } from "@pipekit/proto";
import type { Logger } from "pino";
import { ahead } from "./ahead.ts";
import type { Metadata } from "./metadata.ts";
import { fits, metadataFilter } from "./metadata-filter.ts";
import { asCorrupt, describe, readMetadata } from "./model.ts";
import { pageSize } from "./paging.ts";
import type { PageQuery } from "./registry.ts";
import type { Resolving } from "./resolving.ts";
import type { TagNames } from "./tag-names.ts";

/** Models that are read at once. */
const READS_AHEAD = 16;
/** A page is cut after about this many bytes: it travels in one message. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;

export class Listing {
  readonly #backend: RegistryBackend;
  readonly #resolving: Resolving;
  readonly #tagNames: TagNames;
  readonly #log: Logger;

  constructor(backend: RegistryBackend, resolving: Resolving, tagNames: TagNames, log: Logger) {
    this.#backend = backend;
    this.#resolving = resolving;
    this.#tagNames = tagNames;
    this.#log = log;
  }

  /** In byte order of the hashes. Damaged models are left out and logged. Throws INVALID_CONFIG, INVALID_ARGUMENT. */
  async page(
    query: PageQuery & { readonly metadataFilterJson: string },
    signal: AbortSignal,
  ): Promise<{ models: Model[]; nextPageToken: string }> {
    const filter = metadataFilter(query.metadataFilterJson, "metadata_filter");
    const size = pageSize(query.pageSize);
    const models: Model[] = [];
    let bytes = 0;
    const read = (hash: string) => this.#readSound(hash, signal);
    const hashes = this.#resolving.hashes("", query.pageToken, signal);
    const atOnce = () => Math.min(READS_AHEAD, size + 1 - models.length);
    for await (const metadata of ahead(hashes, read, atOnce)) {
      if (metadata === undefined || !fits(metadata.free, filter)) continue;
      if (models.length >= size || bytes > MAX_PAGE_BYTES) {
        return { models, nextPageToken: models.at(-1)?.hash ?? "" };
      }
      const model = { ...describe(metadata), tags: await this.#tagNames.of(metadata.hash, signal) };
      bytes += model.operatorJson.length + model.metadataJson.length + model.trainingConfigJson.length;
      models.push(model);
    }
    return { models, nextPageToken: "" };
  }

  /** Undefined when there is none, or a damaged one. */
  async #readSound(hash: string, signal: AbortSignal): Promise<Metadata | undefined> {
    try {
      return await readMetadata(this.#backend, hash, signal);
    } catch (error) {
      const corrupt = asCorrupt(error, hash);
      if (corrupt === error) throw error;
      this.#log.warn({ err: corrupt }, "a damaged model was left out of a list");
      return undefined;
    }
  }
}
