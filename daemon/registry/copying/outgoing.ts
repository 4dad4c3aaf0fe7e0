/** A model of this registry as another backend receives it. */
import {
  type BlobSource,
  ObjectMissing,
  type PendingBlob,
  type RegistryBackend,
  SourceUnreadable,
} from "@pipekit/adapters/registry";
import { Damage, type FileDigest } from "../metadata.ts";
import { FILES, modelKey } from "../model.ts";
import { counted } from "../progress.ts";
import type { Described } from "../reading.ts";
import type { ReadyDocuments } from "../ready-documents.ts";
import { checkDigest } from "../verified.ts";

/** A model's documents in the form in which they are stored. */
export function readyOf({ metadata, documents }: Described): ReadyDocuments {
  return {
    metadata,
    metadataJson: documents.metadata,
    operatorYaml: documents.operator,
    preview: documents.preview,
  };
}

/** Has `target` receive the weights, and checks their digest. `moved` is told of what is read. Throws Damage. */
export async function sendWeights(
  origin: RegistryBackend,
  hash: string,
  expected: FileDigest,
  target: RegistryBackend,
  moved: (bytes: number) => void,
  signal: AbortSignal,
): Promise<PendingBlob> {
  let pending: PendingBlob;
  try {
    pending = await target.receive(sourceOf(origin, hash, moved, signal), signal);
  } catch (error) {
    throw asDamage(error);
  }
  try {
    checkDigest(FILES.weights, expected, pending);
    return pending;
  } catch (error) {
    await pending.discard();
    throw error;
  }
}

/** A file where there is one: the other backend may share its blocks, or read it in parts. */
function sourceOf(
  origin: RegistryBackend,
  hash: string,
  moved: (bytes: number) => void,
  signal: AbortSignal,
): BlobSource {
  const key = modelKey(hash, FILES.weights);
  const path = origin.localPath(key);
  if (path !== undefined) return { kind: "file", path };
  return { kind: "stream", chunks: counted(origin.read(key, 0, signal), moved) };
}

function asDamage(error: unknown): unknown {
  if (error instanceof ObjectMissing) return new Damage(`${FILES.weights} is missing.`, { cause: error });
  if (!(error instanceof SourceUnreadable)) return error;
  return new Damage(`${FILES.weights} cannot be read: ${error.reason}.`, { cause: error });
}
