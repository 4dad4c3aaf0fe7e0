/** The extension: joins the language server, the trees, the status bar and the page. */
import type { EditorNotifications } from "@pipekit/proto/editor";
import * as vscode from "vscode";
import { changingCommands } from "./commands/changing.ts";
import { listCommands } from "./commands/lists.ts";
import { lookingCommands } from "./commands/looking.ts";
import { register } from "./commands/register.ts";
import { failureOf, sentences } from "./failure.ts";
import { Panels } from "./panel/panels.ts";
import { type Notified, Server } from "./server/server.ts";
import { StatusBar } from "./status-bar.ts";
import { ModelList } from "./trees/model-list.ts";
import { ModelsTree } from "./trees/models-tree.ts";
import { RunList } from "./trees/run-list.ts";
import { RunsTree } from "./trees/runs-tree.ts";

/** How often the models of an open tree are looked at: only moves of tags are told unasked. Milliseconds. */
const MODELS_EVERY_MS = 3000;

/** Commands of the language server that show something: here they open the page. */
const SHOWN_HERE: Readonly<Record<string, string>> = {
  "pipekit.showRun": "pipekit.ui.showRun",
  "pipekit.showModel": "pipekit.ui.showModel",
};

let server: Server | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const output = vscode.window.createOutputChannel("Pipekit", { log: true });
  const here = (path: string) => vscode.Uri.joinPath(context.extensionUri, path);
  const started = new Server(
    output,
    { bundled: here("dist/daemon/pkx.mjs").fsPath, execPath: process.execPath },
    {
      executeCommand: (command, args, next) =>
        command in SHOWN_HERE
          ? vscode.commands.executeCommand(SHOWN_HERE[command] ?? "", ...args)
          : next(command, args),
    },
  );
  server = started;

  const ask = started.request.bind(started);
  const registry = () => vscode.workspace.getConfiguration("pipekit").get("registry", "");
  const statusBar = new StatusBar();
  const runs = new RunList(ask, () => {
    runsTree.changed();
    statusBar.show(started.health, runs.running());
  });
  const runsTree = new RunsTree(runs);
  const models = new ModelList(ask, registry, () => modelsTree.changed());
  const modelsTree = new ModelsTree(models);
  const views = {
    runs: vscode.window.createTreeView("pipekit.runs", {
      treeDataProvider: runsTree,
      canSelectMany: true,
      showCollapseAll: true,
    }),
    models: vscode.window.createTreeView("pipekit.models", {
      treeDataProvider: modelsTree,
      showCollapseAll: true,
    }),
  };
  const panels = new Panels(started, context.extensionUri);

  /** Fills a list anew; why that cannot be done is told where the list stands. */
  const fill = async (list: RunList | ModelList, view: vscode.TreeView<unknown>) => {
    try {
      await list.refresh();
      view.message = "";
    } catch (thrown) {
      if (started.health.state === "connected") view.message = sentences(failureOf(thrown));
    }
  };
  const fillAll = () => Promise.all([fill(runs, views.runs), fill(models, views.models)]);
  const showHealth = () => {
    const { health } = started;
    void vscode.commands.executeCommand("setContext", "pipekit.daemon", health.state);
    const well = health.state === "connected" || health.state === "connecting";
    views.runs.message = well ? "" : sentences(health);
    statusBar.show(health, health.state === "connected" ? runs.running() : []);
  };
  let connected = false;
  const take = ({ method, params }: Notified) => {
    if (method === "pipekit/runStatus") runs.take(params as EditorNotifications["pipekit/runStatus"]);
    else if (method === "pipekit/tagMoved") void fill(models, views.models);
    if (method === "pipekit/runStatus" && (params as EditorNotifications["pipekit/runStatus"]).all) {
      void fill(runs, views.runs);
    }
  };

  context.subscriptions.push(
    output,
    statusBar,
    runsTree,
    modelsTree,
    views.runs,
    views.models,
    panels,
    started.onHealth((health) => {
      showHealth();
      const now = health.state === "connected";
      if (now && !connected) void fillAll();
      connected = now;
    }),
    started.onNotified(take),
    started.onStarted(() => {
      // A server that offers these commands has registered them; else they are registered here.
      for (const [command, target] of Object.entries(SHOWN_HERE)) {
        if (started.commands.includes(command) || ownShown.has(command)) continue;
        ownShown.add(command);
        context.subscriptions.push(
          vscode.commands.registerCommand(command, (...args) =>
            vscode.commands.executeCommand(target, ...args),
          ),
        );
      }
      void fillAll();
    }),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("pipekit.registry")) void fill(models, views.models);
    }),
    register(
      {
        ...lookingCommands(panels, runs, models),
        ...changingCommands(started, models),
        ...listCommands(started, runs, models),
        "pipekit.ui.showOutput": () => output.show(),
        "pipekit.ui.openSelectedRun": () => {
          const [node] = views.runs.selection;
          const command = node?.kind === "deadLetters" ? "openDeadLetters" : "openRun";
          if (node !== undefined) return vscode.commands.executeCommand(`pipekit.ui.${command}`, node);
        },
        "pipekit.ui.openSelectedModel": () =>
          vscode.commands.executeCommand("pipekit.ui.openModel", views.models.selection[0]),
      },
      output,
    ),
    started,
  );
  const ownShown = new Set<string>();
  const looking = setInterval(() => {
    if (views.models.visible && connected) void fill(models, views.models);
  }, MODELS_EVERY_MS);
  context.subscriptions.push(new vscode.Disposable(() => clearInterval(looking)));
  showHealth();
  await started.restart();
}

export async function deactivate(): Promise<void> {
  await server?.stop();
}
