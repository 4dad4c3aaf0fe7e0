/** Commands of the two trees themselves: filters, more rows, looking anew. */
import * as vscode from "vscode";
import type { Server } from "../server/server.ts";
import type { ModelList } from "../trees/model-list.ts";
import type { RunList } from "../trees/run-list.ts";
import type { Commands } from "./register.ts";

export function listCommands(server: Server, runs: RunList, models: ModelList): Commands {
  const filter = async (list: RunList | ModelList, key: string, text: string | undefined) => {
    if (text === undefined) return;
    list.filter = text.trim();
    await vscode.commands.executeCommand("setContext", key, list.filter !== "");
    await list.refresh();
  };
  return {
    "pipekit.ui.filterRuns": async () =>
      filter(
        runs,
        "pipekit.runsFiltered",
        await vscode.window.showInputBox({
          title: "Filter runs",
          prompt: "Part of the name of a run",
          value: runs.filter,
          ignoreFocusOut: true,
        }),
      ),
    "pipekit.ui.clearRunFilter": () => filter(runs, "pipekit.runsFiltered", ""),
    "pipekit.ui.filterModels": async () =>
      filter(
        models,
        "pipekit.modelsFiltered",
        await vscode.window.showInputBox({
          title: "Filter models",
          prompt: "Begin of a hash, or part of a tag or of a class",
          value: models.filter,
          ignoreFocusOut: true,
        }),
      ),
    "pipekit.ui.clearModelFilter": () => filter(models, "pipekit.modelsFiltered", ""),
    "pipekit.ui.moreRuns": () => runs.loadMore(),
    "pipekit.ui.moreModels": () => models.loadMore(),
    "pipekit.ui.refresh": async () => {
      if (server.health.state === "failed") await server.restart();
      await Promise.all([runs.refresh(), models.refresh()]);
    },
    "pipekit.ui.restart": () => server.restart(),
    "pipekit.ui.openSettings": () =>
      vscode.commands.executeCommand("workbench.action.openSettings", "@ext:pipekit.pipekit-experiment"),
  };
}
