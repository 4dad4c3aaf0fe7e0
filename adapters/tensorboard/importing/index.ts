/** TensorBoard's runs: folders of event files. */
import { basename } from "node:path";
import type { HistoryReader } from "@pipekit/adapters/history";
import { walkFolders } from "../../history-files.ts";
import { folderOf, SCHEME } from "../spec.ts";
import { isEventFile, openEvents } from "./folder.ts";

export const reader: HistoryReader = {
  recognises: async (path) => {
    if (isEventFile(basename(path))) return true;
    try {
      for await (const { files } of walkFolders(path, AbortSignal.timeout(10_000))) {
        if (files.some(isEventFile)) return true;
      }
    } catch {
      // Not a folder, or so large that its files have to be named.
    }
    return false;
  },
  open: (source) => openEvents(source.startsWith(`${SCHEME}:`) ? folderOf(source) : source),
};
