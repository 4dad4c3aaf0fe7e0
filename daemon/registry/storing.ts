/**
 * Storing a model: check, receive the weights under no name, then commit: weights, operator.yaml, preview.json, and
 * metadata.json last. What a dead process left half done is completed, what was damaged is mended, what is sound is left.
 */
import { type PendingBlob, type RegistryBackend, SourceUnreadable } from "@pipekit/adapters/registry";
import { checkClientPath, unreadable } from "../content/index.ts";
import { manifestText, sha256 } from "./manifest.ts";
import { Damage, encodeMetadata, type FileDigest, type Metadata } from "./metadata.ts";
import { FILES, modelKey, readMetadata } from "./model.ts";
import { KeyedMutex } from "./mutex.ts";
import type { Documents, NewModel } from "./new-model.ts";
import { checkDigest, type VerifiedFiles } from "./verified.ts";
import { yamlText } from "./yaml.ts";

/** Lost races after which a small file is taken to be fought over. */
const MAX_ATTEMPTS = 20;

export class Storing {
  readonly #backend: RegistryBackend;
  readonly #stagingFolder: string;
  readonly #verified: VerifiedFiles;
  readonly #commits = new KeyedMutex();

  constructor(backend: RegistryBackend, stagingFolder: string, verified: VerifiedFiles) {
    this.#backend = backend;
    this.#stagingFolder = stagingFolder;
    this.#verified = verified;
  }

  /** Stores the model unless it is there. Throws ARTIFACT_UNREADABLE, INVALID_ARGUMENT for a wrong weights path. */
  async store(
    model: NewModel,
    documents: Documents,
    signal: AbortSignal,
  ): Promise<{ metadata: Metadata; created: boolean }> {
    const weights = await this.#receive(model, signal);
    try {
      // A stream that was cut off by the client's end looks like one that is complete.
      signal.throwIfAborted();
      const metadata = metadataOf(model, documents, weights);
      return await this.#commits.run(metadata.hash, () => this.#commit(metadata, documents, weights));
    } finally {
      await weights?.discard();
    }
  }

  async #receive(model: NewModel, signal: AbortSignal): Promise<PendingBlob | undefined> {
    const source = model.weights;
    if (source === undefined) return undefined;
    if (source.kind === "stream") return this.#backend.receive(source, signal);
    const path = await checkClientPath(source.path, source.staged, this.#stagingFolder, "weights_path");
    try {
      return await this.#backend.receive({ kind: source.staged ? "staged" : "file", path }, signal);
    } catch (error) {
      throw error instanceof SourceUnreadable ? unreadable(error.path, error.reason, error) : error;
    }
  }

  /** Once begun it is not cancelled: it is short, and half a commit would only be litter. */
  async #commit(
    wanted: Metadata,
    documents: Documents,
    weights: PendingBlob | undefined,
  ): Promise<{ metadata: Metadata; created: boolean }> {
    const signal = new AbortController().signal;
    const { hash } = wanted;
    const there = await readMetadata(this.#backend, hash, signal).catch((error: unknown) => {
      // It will be written anew.
      if (error instanceof Damage) return undefined;
      throw error;
    });
    const metadata = there ?? wanted;
    if (weights !== undefined) await this.#ensureWeights(hash, weights, signal);
    await this.#ensureSmall(modelKey(hash, FILES.operator), operatorYaml(metadata), signal);
    if (there !== undefined) {
      await this.#mendPreview(there, documents, signal);
      return { metadata: there, created: false };
    }
    if (documents.preview !== undefined) {
      await this.#ensureSmall(modelKey(hash, FILES.preview), previewBytes(documents.preview.compact), signal);
    }
    await this.#ensureMetadata(metadata, signal);
    return this.#agreed(metadata, signal);
  }

  /** metadata.json of whoever was first, from whichever process; operator.yaml then follows it. */
  async #agreed(ours: Metadata, signal: AbortSignal): Promise<{ metadata: Metadata; created: boolean }> {
    const metadata = (await readMetadata(this.#backend, ours.hash, signal)) ?? ours;
    if (metadata.operatorYaml.sha256 !== ours.operatorYaml.sha256) {
      await this.#ensureSmall(modelKey(ours.hash, FILES.operator), operatorYaml(metadata), signal);
    }
    return { metadata, created: encodeMetadata(metadata).equals(encodeMetadata(ours)) };
  }

  async #ensureWeights(hash: string, weights: PendingBlob, signal: AbortSignal): Promise<void> {
    const key = modelKey(hash, FILES.weights);
    if ((await this.#backend.info(key, signal)) !== undefined) {
      if (await this.#isSound(key, weights, signal)) return;
      await this.#backend.remove(key, signal);
    }
    await weights.publish(key, signal);
  }

  async #isSound(key: string, expected: FileDigest, signal: AbortSignal): Promise<boolean> {
    const path = this.#backend.localPath(key);
    try {
      if (path === undefined) {
        const size = (await this.#backend.info(key, signal))?.size;
        checkDigest(FILES.weights, expected, { sha256: expected.sha256, size: size ?? -1 });
      } else {
        await this.#verified.check(path, FILES.weights, expected, signal);
      }
      return true;
    } catch (error) {
      if (error instanceof Damage) return false;
      throw error;
    }
  }

  /** A preview is no part of a model's identity: the first one stays, and is only mended by its equal. */
  async #mendPreview(there: Metadata, documents: Documents, signal: AbortSignal): Promise<void> {
    if (there.preview === undefined || documents.preview === undefined) return;
    const bytes = previewBytes(documents.preview.compact);
    if (sha256(bytes) !== there.preview.sha256) return;
    await this.#ensureSmall(modelKey(there.hash, FILES.preview), bytes, signal);
  }

  /** Creates metadata.json; a damaged one is replaced, a sound one left. */
  async #ensureMetadata(metadata: Metadata, signal: AbortSignal): Promise<void> {
    const key = modelKey(metadata.hash, FILES.metadata);
    const bytes = encodeMetadata(metadata);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if ((await this.#backend.create(key, bytes, signal)) !== undefined) return;
      const found = await this.#backend.get(key, signal);
      if (found === undefined) continue;
      const sound = await readMetadata(this.#backend, metadata.hash, signal).catch((error: unknown) => {
        if (error instanceof Damage) return undefined;
        throw error;
      });
      if (sound !== undefined) return;
      if ((await this.#backend.replace(key, bytes, found.version, signal)) !== undefined) return;
    }
    throw new Error(`${key} is being written by others again and again.`);
  }

  /** Makes a small file have these bytes. */
  async #ensureSmall(key: string, bytes: Buffer, signal: AbortSignal): Promise<void> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const found = await this.#backend.get(key, signal);
      if (found?.bytes.equals(bytes)) return;
      const version =
        found === undefined
          ? await this.#backend.create(key, bytes, signal)
          : await this.#backend.replace(key, bytes, found.version, signal);
      if (version !== undefined) return;
    }
    throw new Error(`${key} is being written by others again and again.`);
  }
}

function metadataOf(model: NewModel, documents: Documents, weights: FileDigest | undefined): Metadata {
  const { operator, trainingConfig, free, preview } = documents;
  const manifest = manifestText({
    operator: operator.canonical,
    trainingConfig: trainingConfig?.canonical,
    datasetHash: model.datasetHash,
    weights,
  });
  return {
    hash: sha256(manifest),
    manifest,
    createdAtMs: Date.now(),
    runId: model.runId,
    weightsFormat: model.weightsFormat,
    operatorYaml: digestOf(Buffer.from(yamlText(operator.value))),
    preview: preview && digestOf(previewBytes(preview.compact)),
    weights: weights && { sha256: weights.sha256, size: weights.size },
    free: free.value,
    trainingConfig: trainingConfig?.value,
    datasetHash: model.datasetHash,
    operator: operator.value,
  };
}

function operatorYaml(metadata: Metadata): Buffer {
  return Buffer.from(yamlText(metadata.operator));
}

function previewBytes(compact: string): Buffer {
  return Buffer.from(`${compact}\n`);
}

function digestOf(bytes: Buffer): FileDigest {
  return { sha256: sha256(bytes), size: bytes.length };
}
