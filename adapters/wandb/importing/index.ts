/** W&B's runs: the folders that its client keeps. */
import type { HistoryReader } from "@pipekit/adapters/history";
import { parseFolderSpec } from "../../folder-spec.ts";
import { hasLogs, isLog, openLogs } from "./folder.ts";

const SCHEME = "wandb+offline";

export const reader: HistoryReader = {
  recognises: async (path) => isLog(path) || (await hasLogs(path)),
  open: (source) =>
    openLogs(
      source.startsWith(`${SCHEME}:`)
        ? parseFolderSpec(source, SCHEME, `${SCHEME}:///home/me/project/wandb`).folder
        : source,
    ),
};
