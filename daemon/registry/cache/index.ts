/**
 * What a host keeps of models: the weights and documents of those that were loaded from registries elsewhere, and what is
 * known of files whose digest was checked. All of it can be fetched or made again.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { VerifiedFiles } from "../verified.ts";
import { DocumentCache } from "./documents.ts";
import { FileMemory, USE_GRAIN_MS } from "./memory.ts";
import { HANDED_OUT_MS } from "./room.ts";
import { WeightsCache } from "./weights.ts";
import { type CachedFile, WeightsFolder } from "./weights-folder.ts";

export type { CacheUses } from "./weights.ts";
export type { CachedFile } from "./weights-folder.ts";

/** What the registries of one daemon share. */
export interface ModelCache {
  readonly verified: VerifiedFiles;
  readonly weights: WeightsCache;
  readonly documents: DocumentCache;
}

/**
 * Opens the cache in a folder, which is made when it is needed. `limitBytes` is that of the weights, 0 for no cache. `boot`
 * names the time since the machine was started, see VerifiedFiles; empty where the system does not say.
 */
export function openModelCache(folder: string, limitBytes: number, boot: string): ModelCache {
  const { memory, weightsFolder } = partsOf(folder);
  return {
    verified: new VerifiedFiles(memory),
    weights: new WeightsCache(weightsFolder, new VerifiedFiles(memory, boot), limitBytes, boot === ""),
    documents: new DocumentCache(join(folder, "documents")),
  };
}

/** The weights in a cache folder, the one not used for longest first. Whether a daemon uses it or not. */
export function cachedWeights(folder: string): Promise<CachedFile[]> {
  return partsOf(folder).weightsFolder.files();
}

/**
 * Empties a cache folder, whether a daemon uses it or not. Weights that were handed out just now stay unless `all`.
 * Returns what was removed.
 */
export async function clearModelCache(folder: string, all: boolean): Promise<CachedFile[]> {
  const { weightsFolder } = partsOf(folder);
  const before = Date.now() - HANDED_OUT_MS - USE_GRAIN_MS;
  const going = (await weightsFolder.files()).filter((file) => all || file.usedAtMs <= before);
  for (const file of going) await weightsFolder.remove(file.sha256);
  await rm(join(folder, "documents"), { recursive: true, force: true });
  return going;
}

function partsOf(folder: string): { memory: FileMemory; weightsFolder: WeightsFolder } {
  const memory = new FileMemory(join(folder, "verified.log"));
  return { memory, weightsFolder: new WeightsFolder(join(folder, "weights"), memory) };
}
