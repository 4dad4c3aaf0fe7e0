/** The folders of models as the backend lists them, without reading any object. */
import type { ObjectInfo, RegistryBackend } from "@pipekit/adapters/registry";
import { isHash } from "@pipekit/proto";
import { FILES } from "./model.ts";

/** What lies under a hash. */
export interface ModelFolder {
  readonly hash: string;
  readonly files: readonly ObjectInfo[];
  /** False for the remains of a store that never ended, and for a store under way. */
  readonly isModel: boolean;
  /** Bytes of all files. */
  readonly bytes: number;
}

const PAGE = 1000;
/** Keys that begin with `_` belong to no model, and may be many; this is the first key after all of them. */
const AFTER_OTHERS = "`";

/** Folders in byte order of the hashes. */
export async function* modelFolders(
  backend: RegistryBackend,
  signal: AbortSignal,
): AsyncGenerator<ModelFolder> {
  let files: ObjectInfo[] = [];
  for await (const file of objects(backend, signal)) {
    const [last] = files;
    if (last !== undefined && hashOf(last.key) !== hashOf(file.key)) {
      yield folderOf(files);
      files = [];
    }
    files.push(file);
  }
  if (files.length > 0) yield folderOf(files);
}

async function* objects(backend: RegistryBackend, signal: AbortSignal): AsyncGenerator<ObjectInfo> {
  for (let after: string | undefined; ; ) {
    const page = await backend.scan("", { limit: PAGE, ...(after !== undefined && { after }) }, signal);
    after = page.at(-1)?.key;
    // A page is short when objects vanish while it is made: only an empty one is the last.
    if (after === undefined) return;
    for (const file of page) if (isHash(hashOf(file.key))) yield file;
    if (after.startsWith("_")) after = AFTER_OTHERS;
  }
}

function hashOf(key: string): string {
  return key.slice(0, key.indexOf("/"));
}

function folderOf(files: readonly ObjectInfo[]): ModelFolder {
  const hash = hashOf(files[0]?.key ?? "");
  return {
    hash,
    files,
    isModel: files.some(({ key }) => key === `${hash}/${FILES.metadata}`),
    bytes: files.reduce((sum, { size }) => sum + size, 0),
  };
}
