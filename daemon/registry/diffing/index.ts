/** In what two models of one registry differ. */
import type { DiffEntry, DiffResponse } from "@pipekit/proto";
import { type JsonValue, parseJson } from "../../content/index.ts";
import { NoRoom } from "../cache/no-room.ts";
import type { Metadata } from "../metadata.ts";
import type { Reading } from "../reading.ts";
import { diffDocuments } from "./documents.ts";
import { type ComparedTensors, compareTensors } from "./tensors.ts";

/** Throws CORRUPT_MODEL. */
export async function diffModels(
  reading: Reading,
  hashA: string,
  hashB: string,
  signal: AbortSignal,
): Promise<DiffResponse> {
  const [a, b] = await Promise.all([
    documentsOf(reading, hashA, signal),
    documentsOf(reading, hashB, signal),
  ]);
  const entries: DiffEntry[] = [];
  for (const [name, value] of a.documents) entries.push(...diffDocuments(name, value, b.documents.get(name)));
  const sameWeights = a.metadata.weights?.sha256 === b.metadata.weights?.sha256;
  const compared = await compareWeights(reading, a.metadata, b.metadata, signal);
  return {
    hashA,
    hashB,
    entries,
    tensors: compared?.tensors ?? [],
    tensorsCompared: compared !== undefined,
    sameWeights,
    sameTensors: compared?.same ?? 0,
  };
}

interface Described {
  readonly metadata: Metadata;
  /** By the names that the contract gives them. */
  readonly documents: ReadonlyMap<string, JsonValue | undefined>;
}

async function documentsOf(reading: Reading, hash: string, signal: AbortSignal): Promise<Described> {
  const metadata = await reading.metadata(hash, signal);
  const { previewJson } = await reading.describe(metadata, signal);
  const documents = new Map<string, JsonValue | undefined>([
    ["operator", metadata.operator],
    ["training_config", metadata.trainingConfig],
    ["dataset_hash", metadata.datasetHash || undefined],
    ["metadata", metadata.free],
    ["preview", previewJson === "" ? undefined : parseJson(previewJson, "preview")],
    ["weights_format", metadata.weightsFormat || undefined],
  ]);
  return { metadata, documents };
}

/** Undefined when there is nothing to compare, or nothing that can be told apart. */
async function compareWeights(
  reading: Reading,
  a: Metadata,
  b: Metadata,
  signal: AbortSignal,
): Promise<ComparedTensors | undefined> {
  if (a.weights === undefined || b.weights === undefined) return undefined;
  try {
    const pathA = await reading.weightsPath(a, signal);
    const pathB = await reading.weightsPath(b, signal);
    return await compareTensors(pathA, pathB, signal);
  } catch (error) {
    // Weights of a server that this host has no room for.
    if (error instanceof NoRoom) return undefined;
    throw error;
  }
}
