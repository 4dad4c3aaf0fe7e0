/** What lies in a registry, told from listings alone. */
import type { ObjectInfo, RegistryBackend } from "@pipekit/adapters/registry";
import { modelFolders } from "../folders.ts";
import { FILES, modelKey } from "../model.ts";

/** A model's folder. */
export interface Folder {
  readonly hash: string;
  readonly bytes: number;
  /** Unix microseconds at which metadata.json was written; undefined for the remains of a model. */
  readonly storedAtUs: number | undefined;
  /** Unix microseconds at which the newest file was written. */
  readonly newestUs: number;
}

/** All folders whose name is a hash, in byte order. */
export async function* foldersOf(backend: RegistryBackend, signal: AbortSignal): AsyncGenerator<Folder> {
  for await (const { hash, files } of modelFolders(backend, signal)) {
    signal.throwIfAborted();
    yield folderOf(hash, files);
  }
}

export function folderOf(hash: string, objects: readonly ObjectInfo[]): Folder {
  const metadata = modelKey(hash, FILES.metadata);
  return {
    hash,
    bytes: objects.reduce((sum, { size }) => sum + size, 0),
    storedAtUs: objects.find(({ key }) => key === metadata)?.modifiedAtUs,
    newestUs: objects.reduce((newest, { modifiedAtUs }) => Math.max(newest, modifiedAtUs), 0),
  };
}
