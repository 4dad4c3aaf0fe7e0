/** A model's folder: the keys in it, reading it with all checks, and describing it to clients. */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { ObjectMissing, type RegistryBackend } from "@pipekit/adapters/registry";
import { type Model, PipekitError } from "@pipekit/proto";
import { compactText } from "../content/index.ts";
import { sha256 } from "./manifest.ts";
import { Damage, decodeMetadata, type FileDigest, type Metadata } from "./metadata.ts";
import { checkDigest, identity, type VerifiedFiles } from "./verified.ts";

export const FILES = {
  operator: "operator.yaml",
  weights: "weights.bin",
  preview: "preview.json",
  metadata: "metadata.json",
} as const;

const CHUNK_BYTES = 1024 * 1024;

export const modelKey = (hash: string, file: string): string => `${hash}/${file}`;

/** metadata.json, checked; undefined when there is no such model. Throws Damage. */
export async function readMetadata(
  backend: RegistryBackend,
  hash: string,
  signal: AbortSignal,
): Promise<Metadata | undefined> {
  const found = await backend.get(modelKey(hash, FILES.metadata), signal);
  return found && decodeMetadata(found.bytes, hash);
}

/** Reads a small file of a model and checks its digest. Throws Damage. */
export async function readChecked(
  backend: RegistryBackend,
  hash: string,
  file: string,
  expected: FileDigest,
  signal: AbortSignal,
): Promise<Buffer> {
  const found = await backend.get(modelKey(hash, file), signal);
  if (found === undefined) throw new Damage(`${file} is missing.`);
  checkDigest(file, expected, { sha256: sha256(found.bytes), size: found.bytes.length });
  return found.bytes;
}

/** The small files of a model, as they are stored. */
export interface ModelDocuments {
  readonly metadata: Buffer;
  readonly operator: Buffer;
  readonly preview: Buffer | undefined;
}

/** Throws Damage when the documents beside metadata.json are not those that it names. */
export function checkDocuments(metadata: Metadata, { operator, preview }: ModelDocuments): void {
  checkDigest(FILES.operator, metadata.operatorYaml, { sha256: sha256(operator), size: operator.length });
  if (metadata.preview === undefined) return;
  if (preview === undefined) throw new Damage(`${FILES.preview} is missing.`);
  checkDigest(FILES.preview, metadata.preview, { sha256: sha256(preview), size: preview.length });
}

/**
 * Streams weights from byte `offset`. Everything is hashed, also what lies before the offset, and the last chunk is held
 * back until the digest is known to be right. Throws Damage.
 */
export async function* verifiedWeights(
  backend: RegistryBackend,
  hash: string,
  expected: FileDigest,
  offset: number,
  verified: VerifiedFiles,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const key = modelKey(hash, FILES.weights);
  const path = backend.localPath(key);
  const known = path !== undefined && offset > 0 && (await verified.isKnown(path, expected));
  const before = path === undefined ? undefined : await identity(path);
  const digest = createHash("sha256");
  let position = known ? offset : 0;
  let held: Buffer | undefined;
  try {
    for await (const chunk of backend.read(key, position, signal)) {
      if (held !== undefined) yield held;
      if (!known) digest.update(chunk);
      const skipped = Math.min(Math.max(offset - position, 0), chunk.length);
      position += chunk.length;
      held = skipped < chunk.length ? chunk.subarray(skipped) : undefined;
    }
  } catch (error) {
    throw error instanceof ObjectMissing ? new Damage(`${FILES.weights} is missing.`) : error;
  }
  const found = known ? expected.sha256 : digest.digest("hex");
  checkDigest(FILES.weights, expected, { sha256: found, size: position });
  if (path !== undefined && before !== undefined && before === (await identity(path))) {
    await verified.remember(path, before, expected);
  }
  if (held !== undefined) yield held;
}

/**
 * Streams weights from a file that has just been verified, from byte `offset`. The last chunk is held back until it is
 * known that nobody has written to it. Throws Damage.
 */
export async function* fileWeights(
  path: string,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const file = await open(path, "r");
  try {
    const before = await file.stat({ bigint: true });
    const options = { start: offset, highWaterMark: CHUNK_BYTES, autoClose: false, signal };
    let held: Buffer | undefined;
    for await (const chunk of file.createReadStream(options)) {
      if (held !== undefined) yield held;
      held = chunk as Buffer;
    }
    const after = await file.stat({ bigint: true });
    // Of a file that was removed meanwhile, which its readers do not feel, ctime is the time of that.
    const sameTime = after.nlink === 0n ? before.mtimeNs === after.mtimeNs : before.ctimeNs === after.ctimeNs;
    if (!sameTime || before.size !== after.size) throw new Damage(`${FILES.weights} was changed meanwhile.`);
    if (held !== undefined) yield held;
  } finally {
    await file.close();
  }
}

/** The model as clients see it, without preview and tags. */
export function describe(metadata: Metadata): Model {
  return {
    hash: metadata.hash,
    manifest: metadata.manifest,
    operatorJson: compactText(metadata.operator),
    metadataJson: compactText(metadata.free),
    weightsSha256: metadata.weights?.sha256 ?? "",
    weightsSize: metadata.weights?.size ?? 0,
    hasWeights: metadata.weights !== undefined,
    weightsFormat: metadata.weightsFormat,
    runId: metadata.runId,
    createdAtUs: metadata.createdAtMs * 1000,
    tags: [],
    trainingConfigJson: metadata.trainingConfig === undefined ? "" : compactText(metadata.trainingConfig),
    datasetHash: metadata.datasetHash,
    previewJson: "",
  };
}

/** A damage as the failure that names the model. Other errors pass as they are. */
export function asCorrupt(error: unknown, hash: string): unknown {
  if (!(error instanceof Damage)) return error;
  return new PipekitError("CORRUPT_MODEL", `The model ${hash} is damaged: ${error.message}`, {
    field: hash,
    mend: "Store the model once more, or restore its folder from a backup.",
    cause: error,
  });
}
