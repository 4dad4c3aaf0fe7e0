/** A model's documents in the form in which they are written. */
import { manifestText, sha256 } from "./manifest.ts";
import { encodeMetadata, type FileDigest, type Metadata } from "./metadata.ts";
import type { Documents, NewModel } from "./new-model.ts";
import { yamlText } from "./yaml.ts";

/** A model's documents as the bytes that are written. */
export interface ReadyDocuments {
  readonly metadata: Metadata;
  /** metadata.json. */
  readonly metadataJson: Buffer;
  readonly operatorYaml: Buffer;
  readonly preview: Buffer | undefined;
}

/** Metadata of a model that is stored now. `weights` are undefined when there are none. */
export function metadataOf(model: NewModel, documents: Documents, weights: FileDigest | undefined): Metadata {
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

/** The bytes that `metadata` tells of. */
export function readyDocuments(metadata: Metadata, { preview }: Documents): ReadyDocuments {
  return {
    metadata,
    metadataJson: encodeMetadata(metadata),
    operatorYaml: Buffer.from(yamlText(metadata.operator)),
    preview: preview && previewBytes(preview.compact),
  };
}

/** operator.yaml as `metadata` tells of it: from the bytes at hand, or written anew. */
export function operatorYaml(metadata: Metadata, { operatorYaml: bytes }: ReadyDocuments): Buffer {
  if (sha256(bytes) === metadata.operatorYaml.sha256) return bytes;
  return Buffer.from(yamlText(metadata.operator));
}

function previewBytes(compact: string): Buffer {
  return Buffer.from(`${compact}\n`);
}

function digestOf(bytes: Buffer): FileDigest {
  return { sha256: sha256(bytes), size: bytes.length };
}
