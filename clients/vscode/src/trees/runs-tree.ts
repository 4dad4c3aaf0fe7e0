/** The tree of runs: those that run first, then the newest; rows change while a process logs. */
import type { RunBrief } from "@pipekit/proto/editor";
import * as vscode from "vscode";
import { Calm } from "./calm.ts";
import type { RunList } from "./run-list.ts";
import { childrenOf, MORE, type RunNode, runItem } from "./run-nodes.ts";

/** How often rows change at most, and how often ages are told anew. Milliseconds. */
const EVERY_MS = 250;
const AGES_MS = 15_000;

type RunRow = RunNode & { readonly kind: "run" };

export class RunsTree implements vscode.TreeDataProvider<RunNode>, vscode.Disposable {
  readonly #list: RunList;
  readonly #changes = new vscode.EventEmitter<RunNode[] | undefined>();
  /** VS Code knows a row by its object: a run keeps its own while it changes. */
  readonly #rows = new Map<string, { kind: "run"; run: RunBrief }>();
  readonly #calm = new Calm(() => this.#tell(), EVERY_MS);
  readonly #ages = setInterval(() => this.#changes.fire(undefined), AGES_MS);
  #order: readonly string[] = [];
  readonly onDidChangeTreeData = this.#changes.event;

  constructor(list: RunList) {
    this.#list = list;
  }

  /** The list has changed. */
  changed(): void {
    this.#calm.want();
  }

  getTreeItem(node: RunNode): vscode.TreeItem {
    return runItem(node, Date.now() * 1000);
  }

  getChildren(node?: RunNode): RunNode[] {
    if (node === undefined) return this.#roots();
    return node.kind === "run" ? childrenOf(node.run, Date.now() * 1000) : [];
  }

  getParent(node: RunNode): RunNode | undefined {
    return node.kind === "run" || node.kind === "more" ? undefined : this.#rows.get(node.runId);
  }

  dispose(): void {
    clearInterval(this.#ages);
    this.#calm.dispose();
    this.#changes.dispose();
  }

  #roots(): RunNode[] {
    const shown = this.#list.shown();
    this.#order = shown.map(({ runId }) => runId);
    const kept = new Set(this.#order);
    for (const runId of this.#rows.keys()) if (!kept.has(runId)) this.#rows.delete(runId);
    return [...shown.map((run) => this.#row(run)), ...(this.#list.more && shown.length > 0 ? [MORE] : [])];
  }

  #row(run: RunBrief): RunRow {
    const row = this.#rows.get(run.runId);
    if (row === undefined) {
      const made = { kind: "run", run } as const;
      this.#rows.set(run.runId, made);
      return made;
    }
    row.run = run;
    return row;
  }

  /** Only the rows that are others now, where their order is the same. */
  #tell(): void {
    const shown = this.#list.shown();
    const same =
      shown.length === this.#order.length && shown.every(({ runId }, index) => runId === this.#order[index]);
    if (!same) {
      this.#changes.fire(undefined);
      return;
    }
    const changed = shown
      .filter((run) => this.#rows.get(run.runId)?.run !== run)
      .map((run) => this.#row(run));
    if (changed.length > 0) this.#changes.fire(changed);
  }
}
