/** Commands that show something. */
import * as vscode from "vscode";
import { ROUTES } from "../panel/messages.ts";
import type { Panels } from "../panel/panels.ts";
import type { ModelList } from "../trees/model-list.ts";
import type { RunList } from "../trees/run-list.ts";
import { ago, headline, oneLine, STATE_ICONS } from "../words.ts";
import { hashIn, runIdIn, runIdsIn, SHOWN_MODEL, tagIn, urlIn } from "./arguments.ts";
import type { Commands } from "./register.ts";

/** As many runs as one chart can tell apart. */
const MOST_COMPARED = 12;

export function lookingCommands(panels: Panels, runs: RunList, models: ModelList): Commands {
  const openRun = async (open: (route: string) => void, value: unknown) => {
    const runId = runIdIn(value) ?? (await pickRuns(runs, false))[0];
    if (runId !== undefined) open(ROUTES.run(runId));
  };
  const compare = (runIds: readonly string[]) => {
    if (runIds.length > 1) panels.open(ROUTES.compare(runIds.slice(0, MOST_COMPARED)));
  };
  return {
    "pipekit.ui.openRuns": () => panels.open(ROUTES.runs),
    "pipekit.ui.openModels": () => panels.open(ROUTES.models(models.registry)),
    "pipekit.ui.openDeadLetters": (value) => panels.open(ROUTES.deadLetters(runIdIn(value) ?? "")),
    "pipekit.ui.openRun": (value) => openRun((route) => panels.open(route), value),
    "pipekit.ui.openRunAside": (value) => openRun((route) => panels.openAside(route), value),
    "pipekit.ui.pickRun": () => openRun((route) => panels.open(route), undefined),
    "pipekit.ui.compareRuns": (clicked, selected) => compare(runIdsIn(clicked, selected)),
    "pipekit.ui.compare": async () => compare(await pickRuns(runs, true)),
    "pipekit.ui.openModel": (value) => {
      const hash = hashIn(value);
      if (hash !== undefined) panels.open(ROUTES.model(hash, models.registry));
    },
    "pipekit.ui.openTag": (value) => {
      const name = tagIn(value);
      if (name !== undefined) panels.open(ROUTES.tag(name, models.registry));
    },
    "pipekit.ui.copyRunId": (value) => copy(runIdIn(value)),
    "pipekit.ui.copyHash": (value) => copy(hashIn(value)),
    "pipekit.ui.openInTool": async (value) => {
      const url = urlIn(value);
      if (url !== undefined) await vscode.env.openExternal(vscode.Uri.parse(url, true));
    },
    "pipekit.ui.showRun": (value) => openRun((route) => panels.open(route), value),
    "pipekit.ui.showModel": (value) => {
      const shown = SHOWN_MODEL.parse(value);
      panels.open(ROUTES.model(shown.ref, shown.registry));
    },
  };
}

async function copy(text: string | undefined): Promise<void> {
  if (text === undefined) return;
  await vscode.env.clipboard.writeText(text);
  vscode.window.setStatusBarMessage(`Copied ${text}`, 3000);
}

/** Asks which runs are meant; none where the person will not say. */
async function pickRuns(runs: RunList, several: boolean): Promise<readonly string[]> {
  const nowUs = Date.now() * 1000;
  const items = runs.shown().map((run) => ({
    label: `$(${STATE_ICONS[run.state][0]}) ${oneLine(run.name).replaceAll("$(", "$ (")}`,
    description: [headline(run), ago(run.startedAtUs, nowUs)].filter((text) => text !== "").join(" · "),
    detail: run.runId,
  }));
  if (items.length === 0) {
    void vscode.window.showInformationMessage("Pipekit: there are no runs to choose from.");
    return [];
  }
  const options = {
    title: several ? "Compare runs" : "Go to run",
    matchOnDescription: true,
    matchOnDetail: true,
  };
  if (several) {
    const chosen = await vscode.window.showQuickPick(items, { ...options, canPickMany: true });
    return (chosen ?? []).map(({ detail }) => detail);
  }
  const chosen = await vscode.window.showQuickPick(items, options);
  return chosen === undefined ? [] : [chosen.detail];
}
