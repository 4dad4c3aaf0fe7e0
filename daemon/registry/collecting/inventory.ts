/** What lies in a registry, told from listings alone. */
import type { ObjectInfo, RegistryBackend } from "@pipekit/adapters/registry";
import { FILES, modelKey } from "../model.ts";
import { isHash } from "../ref.ts";

/** A model's folder. */
export interface Folder {
  readonly hash: string;
  readonly bytes: number;
  /** Unix microseconds at which metadata.json was written; undefined for the remains of a model. */
  readonly storedAtUs: number | undefined;
  /** Unix microseconds at which the newest file was written. */
  readonly newestUs: number;
}

const PAGE = 1000;
/** The registry's own files begin with `_`; this is the first key behind them all. */
const BEHIND_OWN_FILES = "`";

/** All folders whose name is a hash, in byte order. */
export async function* foldersOf(backend: RegistryBackend, signal: AbortSignal): AsyncGenerator<Folder> {
  let hash = "";
  let objects: ObjectInfo[] = [];
  for (let after: string | undefined; ; ) {
    signal.throwIfAborted();
    const page = await backend.scan("", { limit: PAGE, ...(after !== undefined && { after }) }, signal);
    for (const object of page) {
      const folder = object.key.slice(0, Math.max(0, object.key.indexOf("/")));
      if (folder !== hash) {
        if (isHash(hash)) yield folderOf(hash, objects);
        // A copy: a part of a text keeps the whole text in memory.
        hash = Buffer.from(folder).toString("latin1");
        objects = [];
      }
      if (isHash(folder)) objects.push(object);
    }
    after = page.at(-1)?.key;
    if (after === undefined) break;
    if (after.startsWith("_")) after = BEHIND_OWN_FILES;
  }
  if (isHash(hash)) yield folderOf(hash, objects);
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
