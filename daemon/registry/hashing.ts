/** Weights that are hashed and not stored: for the hash that a model would have. */
import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { hashFile } from "@pipekit/adapters/files";
import { type OnBytes, SourceUnreadable } from "@pipekit/adapters/registry";
import { checkClientPath, unreadable } from "../content/index.ts";
import type { FileDigest } from "./metadata.ts";
import type { WeightsSource } from "./new-model.ts";
import { bytesOf } from "./progress.ts";
import type { OnProgress } from "./registry.ts";

/**
 * Digest and size of weights; undefined for none. A staged file is taken, as a store takes it. Throws
 * ARTIFACT_UNREADABLE, INVALID_ARGUMENT for a wrong path.
 */
export async function digestOfWeights(
  source: WeightsSource | undefined,
  stagingFolder: string,
  signal: AbortSignal,
  onProgress?: OnProgress,
): Promise<FileDigest | undefined> {
  if (source === undefined) return undefined;
  const onBytes = bytesOf("receiving", onProgress);
  if (source.kind === "stream") return digestOfChunks(source.chunks, signal, onBytes);
  const path = await checkClientPath(source.path, source.staged, stagingFolder, "weights_path");
  try {
    return await hashFile(path, signal, onBytes);
  } catch (error) {
    throw error instanceof SourceUnreadable ? unreadable(error.path, error.reason, error) : error;
  } finally {
    if (source.staged) await rm(path, { force: true });
  }
}

async function digestOfChunks(
  chunks: AsyncIterable<Buffer>,
  signal: AbortSignal,
  onBytes: OnBytes | undefined,
): Promise<FileDigest> {
  const digest = createHash("sha256");
  let size = 0;
  for await (const chunk of chunks) {
    digest.update(chunk);
    size += chunk.length;
    onBytes?.(size, 0);
  }
  // A stream that was cut off by the client's end looks like one that is complete.
  signal.throwIfAborted();
  return { sha256: digest.digest("hex"), size };
}
