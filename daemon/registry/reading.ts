/** From a hash to what is stored under it, checked. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { type Model, PipekitError } from "@pipekit/proto";
import type { Metadata } from "./metadata.ts";
import { asCorrupt, describe, FILES, modelKey, readChecked, readMetadata, verifiedWeights } from "./model.ts";
import type { VerifiedFiles } from "./verified.ts";

/** All methods throw CORRUPT_MODEL. */
export class Reading {
  readonly #backend: RegistryBackend;
  readonly #verified: VerifiedFiles;

  constructor(backend: RegistryBackend, verified: VerifiedFiles) {
    this.#backend = backend;
    this.#verified = verified;
  }

  /** metadata.json of a hash that a tag or a reference has led to. */
  async metadata(hash: string, signal: AbortSignal): Promise<Metadata> {
    const metadata = await readMetadata(this.#backend, hash, signal).catch((error: unknown) => {
      throw asCorrupt(error, hash);
    });
    if (metadata !== undefined) return metadata;
    throw new PipekitError(
      "CORRUPT_MODEL",
      `A tag points to the model ${hash}, whose metadata.json is missing.`,
      {
        field: hash,
        mend: "Store the model once more, or move the tag with `force`.",
      },
    );
  }

  /** The model as clients see it, with its preview and without its tags. */
  async describe(metadata: Metadata, signal: AbortSignal): Promise<Model> {
    const { hash, operatorYaml, preview } = metadata;
    try {
      await readChecked(this.#backend, hash, FILES.operator, operatorYaml, signal);
      const bytes = preview && (await readChecked(this.#backend, hash, FILES.preview, preview, signal));
      return { ...describe(metadata), previewJson: bytes?.toString("utf8").trimEnd() ?? "" };
    } catch (error) {
      throw asCorrupt(error, hash);
    }
  }

  /** Chunks from `offset` on; the last one comes after the digest was checked. */
  async *weights(metadata: Metadata, offset: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    if (metadata.weights === undefined) return;
    const { hash, weights } = metadata;
    try {
      yield* verifiedWeights(this.#backend, hash, weights, offset, this.#verified, signal);
    } catch (error) {
      throw asCorrupt(error, hash);
    }
  }

  /** Path of the verified file; empty without weights. Throws INVALID_ARGUMENT when there is none on this host. */
  async weightsPath(metadata: Metadata, signal: AbortSignal): Promise<string> {
    if (metadata.weights === undefined) return "";
    const path = this.#backend.localPath(modelKey(metadata.hash, FILES.weights));
    if (path === undefined) {
      throw new PipekitError(
        "INVALID_ARGUMENT",
        `The registry ${this.#backend.spec} has no files on this host.`,
        {
          field: "by_path",
          mend: "Load the weights as a stream.",
        },
      );
    }
    try {
      await this.#verified.check(path, FILES.weights, metadata.weights, signal);
    } catch (error) {
      throw asCorrupt(error, metadata.hash);
    }
    return path;
  }
}
