/** The folders that are open in the editor. */
import { pathToFileURL } from "node:url";
import type { z } from "zod";
import { filePath } from "./file-path.ts";
import type { InitializeParams, PARAMS } from "./params.ts";

type FoldersChange = z.infer<typeof PARAMS.didChangeWorkspaceFolders>["event"];

export class Workspace {
  #uris: readonly string[] = [];

  /** Absolute paths; a folder that is on no disk of this machine is left out. */
  get folders(): readonly string[] {
    return this.#uris.flatMap((uri) => filePath(uri) ?? []);
  }

  /** Takes what `initialize` says; clients of older protocols name one root. */
  begin({ workspaceFolders, rootUri, rootPath }: InitializeParams): void {
    const named = workspaceFolders?.map(({ uri }) => uri);
    const root = rootUri ?? (rootPath ? pathToFileURL(rootPath).href : undefined);
    this.#uris = named ?? (root === undefined ? [] : [root]);
  }

  change({ added, removed }: FoldersChange): void {
    const gone = new Set(removed.map(({ uri }) => uri));
    const kept = this.#uris.filter((uri) => !gone.has(uri));
    this.#uris = [...new Set([...kept, ...added.map(({ uri }) => uri)])];
  }
}
