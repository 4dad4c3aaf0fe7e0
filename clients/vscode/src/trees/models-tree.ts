/** The tree of models: tags with their history, then models, newest first. */
import type { ModelBrief, TagMoveDocument } from "@pipekit/proto/editor";
import * as vscode from "vscode";
import { ago, oneLine, shortHash, size } from "../words.ts";
import type { ModelList } from "./model-list.ts";

const AGES_MS = 30_000;

/** Without arguments, as in run-nodes.ts. */
const OPEN_SELECTED = { command: "pipekit.ui.openSelectedModel", title: "Open Model" };

export type ModelNode =
  | { readonly kind: "group"; readonly group: "tags" | "models" }
  | { readonly kind: "tag"; readonly move: TagMoveDocument }
  | { readonly kind: "move"; readonly move: TagMoveDocument }
  | { readonly kind: "model"; readonly model: ModelBrief }
  | { readonly kind: "fault"; readonly message: string }
  | { readonly kind: "more" };

export class ModelsTree implements vscode.TreeDataProvider<ModelNode>, vscode.Disposable {
  readonly #list: ModelList;
  readonly #changes = new vscode.EventEmitter<undefined>();
  readonly #ages = setInterval(() => this.changed(), AGES_MS);
  readonly onDidChangeTreeData = this.#changes.event;

  constructor(list: ModelList) {
    this.#list = list;
  }

  /** The list has changed. */
  changed(): void {
    this.#changes.fire(undefined);
  }

  getTreeItem(node: ModelNode): vscode.TreeItem {
    return modelItem(node, this.#list, Date.now() * 1000);
  }

  async getChildren(node?: ModelNode): Promise<ModelNode[]> {
    const { tags, models, more } = this.#list;
    if (node === undefined) {
      const groups: ModelNode[] = [];
      if (tags.length > 0) groups.push({ kind: "group", group: "tags" });
      if (models.length > 0) groups.push({ kind: "group", group: "models" });
      return groups;
    }
    if (node.kind === "tag") return this.#history(node.move.name);
    if (node.kind !== "group") return [];
    if (node.group === "tags") return tags.map((move) => ({ kind: "tag", move }));
    return [
      ...models.map((model): ModelNode => ({ kind: "model", model })),
      ...(more ? [{ kind: "more" } as const] : []),
    ];
  }

  dispose(): void {
    clearInterval(this.#ages);
    this.#changes.dispose();
  }

  async #history(name: string): Promise<ModelNode[]> {
    try {
      return (await this.#list.history(name)).map((move) => ({ kind: "move", move }));
    } catch (fault) {
      return [{ kind: "fault", message: fault instanceof Error ? fault.message : String(fault) }];
    }
  }
}

function modelItem(node: ModelNode, list: ModelList, nowUs: number): vscode.TreeItem {
  switch (node.kind) {
    case "group": {
      const label = node.group === "tags" ? "Tags" : "Models";
      const number = node.group === "tags" ? list.tags.length : list.total;
      return row(node.group, label, {
        description: number.toLocaleString("en-US"),
        collapsibleState: vscode.TreeItemCollapsibleState.Expanded,
      });
    }
    case "tag":
      return itemOfTag(node.move, nowUs);
    case "move":
      return itemOfMove(node.move, nowUs);
    case "model":
      return itemOfModel(node.model, nowUs);
    case "fault":
      return row("fault", oneLine(node.message), { iconPath: new vscode.ThemeIcon("warning") });
    case "more":
      return row("more", "Load more…", {
        iconPath: new vscode.ThemeIcon("ellipsis"),
        command: { command: "pipekit.ui.moreModels", title: "Load More Models" },
      });
  }
}

function itemOfTag(move: TagMoveDocument, nowUs: number): vscode.TreeItem {
  return row(`tag/${move.name}`, oneLine(move.name), {
    contextValue: "tag",
    iconPath: new vscode.ThemeIcon("tag", new vscode.ThemeColor("charts.blue")),
    description: [shortHash(move.hash), ago(move.atUs, nowUs), oneLine(move.actor)]
      .filter((it) => it !== "")
      .join(" · "),
    tooltip: [
      `${move.name}@${move.seq}`,
      move.hash,
      `by ${move.actor}, ${ago(move.atUs, nowUs)}`,
      move.reason,
    ]
      .filter((line) => line !== "")
      .join("\n"),
    collapsibleState: vscode.TreeItemCollapsibleState.Collapsed,
  });
}

function itemOfMove(move: TagMoveDocument, nowUs: number): vscode.TreeItem {
  const deleted = move.hash === "";
  return row(`move/${move.name}/${move.seq}`, deleted ? "deleted" : shortHash(move.hash), {
    contextValue: deleted ? "deletion" : "move",
    iconPath: new vscode.ThemeIcon(deleted ? "trash" : "git-commit"),
    description: [`@${move.seq}`, ago(move.atUs, nowUs), oneLine(move.actor), oneLine(move.reason)]
      .filter((it) => it !== "")
      .join(" · "),
    tooltip: [move.hash, `by ${move.actor}, ${ago(move.atUs, nowUs)}`, move.reason]
      .filter((it) => it !== "")
      .join("\n"),
    ...(!deleted && { command: OPEN_SELECTED }),
  });
}

function itemOfModel(model: ModelBrief, nowUs: number): vscode.TreeItem {
  const facts = [
    ...model.tags.map(oneLine),
    model.hasWeights ? size(model.weightsSize) : "no weights",
    ago(model.createdAtUs, nowUs),
  ];
  return row(
    `model/${model.hash}`,
    `${shortHash(model.hash)} ${oneLine(model.operator.split(".").at(-1) ?? "")}`,
    {
      contextValue: "model",
      iconPath: new vscode.ThemeIcon("package"),
      description: facts.join(" · "),
      tooltip: [model.hash, model.operator, ...facts, model.runId === "" ? "" : `run ${model.runId}`]
        .filter((line) => line !== "")
        .join("\n"),
      command: OPEN_SELECTED,
    },
  );
}

function row(id: string, label: string, more: Partial<vscode.TreeItem>): vscode.TreeItem {
  return Object.assign(new vscode.TreeItem(label), more, { id });
}
