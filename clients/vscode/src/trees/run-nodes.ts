/** Rows of the tree of runs: a run, and beneath it its headline, its sinks, what they refused, and its tags. */
import type { RunBrief, SinkDocument } from "@pipekit/proto/editor";
import * as vscode from "vscode";
import { ago, count, headline, lag, oneLine, STATE_ICONS } from "../words.ts";

export type RunNode =
  | { readonly kind: "run"; readonly run: RunBrief }
  | { readonly kind: "sink"; readonly runId: string; readonly sink: SinkDocument }
  | { readonly kind: "deadLetters"; readonly runId: string; readonly dead: number }
  | { readonly kind: "fact"; readonly runId: string; readonly label: string; readonly value: string }
  | { readonly kind: "more" };

/** Without arguments: VS Code forgets those of a row while it is told anew, and a click would then do nothing. */
const OPEN_SELECTED = { command: "pipekit.ui.openSelectedRun", title: "Open" };

export const MORE: RunNode = { kind: "more" };

/** Every row beneath a run. */
export function childrenOf(run: RunBrief, nowUs: number): RunNode[] {
  const { runId } = run;
  const fact = (label: string, value: string): RunNode[] =>
    value === "" ? [] : [{ kind: "fact", runId, label, value }];
  const dead = run.sinks.reduce((sum, sink) => sum + sink.pointsDead, 0);
  return [
    ...fact("failed", run.state === "failed" ? run.reason : ""),
    ...fact("last value", headline(run)),
    ...fact("started", ago(run.startedAtUs, nowUs)),
    ...run.sinks.map((sink): RunNode => ({ kind: "sink", runId, sink })),
    ...(dead === 0 ? [] : [{ kind: "deadLetters", runId, dead } as const]),
    ...Object.entries(run.tags).flatMap(([name, value]) => fact(name, value)),
  ];
}

/** How a row looks now. Times are Unix microseconds. */
export function runItem(node: RunNode, nowUs: number): vscode.TreeItem {
  switch (node.kind) {
    case "run":
      return itemOfRun(node.run, nowUs);
    case "sink":
      return itemOfSink(node.runId, node.sink, nowUs);
    case "deadLetters":
      return row(`${node.runId}/dead`, count(node.dead, "dead letter"), {
        contextValue: "deadLetters",
        iconPath: icon("mail", "list.warningForeground"),
        description: "refused for good",
        command: OPEN_SELECTED,
      });
    case "fact":
      return row(`${node.runId}/fact/${node.label}`, oneLine(node.label), {
        description: oneLine(node.value),
        tooltip: `${node.label}: ${node.value}`,
        iconPath: icon(node.label === "failed" ? "error" : "symbol-constant"),
      });
    case "more":
      return row("more", "Load more…", {
        iconPath: icon("ellipsis"),
        command: { command: "pipekit.ui.moreRuns", title: "Load More Runs" },
      });
  }
}

function itemOfRun(run: RunBrief, nowUs: number): vscode.TreeItem {
  const [name, color] = STATE_ICONS[run.state];
  const behind = run.sinks.filter((sink) => sink.pointsPending > 0);
  const troubled = run.sinks.some((sink) => sink.lastError !== "" || sink.state === "refused");
  const facts = [
    headline(run),
    run.points === 0 ? "" : count(run.points, "point"),
    behind.length === 0
      ? ""
      : count(Math.max(...behind.map((sink) => sink.pointsPending)), "behind", "behind"),
    run.state === "running" ? "" : ago(run.endedAtUs || run.startedAtUs, nowUs),
  ];
  return row(run.runId, oneLine(run.name) || run.runId, {
    contextValue: `run.${run.state}`,
    description: facts.filter((fact) => fact !== "").join(" · "),
    iconPath: icon(name, troubled && run.state !== "failed" ? "list.warningForeground" : color),
    tooltip: [`${run.name} (${run.state})`, run.runId, ...facts, run.reason]
      .filter((line) => line !== "")
      .join("\n"),
    collapsibleState: vscode.TreeItemCollapsibleState.Collapsed,
    command: OPEN_SELECTED,
    accessibilityInformation: { label: [run.name, run.state, ...facts].filter((it) => it !== "").join(", ") },
  });
}

function itemOfSink(runId: string, sink: SinkDocument, nowUs: number): vscode.TreeItem {
  const refused = sink.state === "refused";
  const retry = sink.retryAtUs > nowUs ? `next try in ${Math.ceil((sink.retryAtUs - nowUs) / 1e6)} s` : "";
  const facts = [
    sink.state,
    lag(sink, nowUs),
    sink.lastError,
    retry,
    sink.pointsDead === 0 ? "" : `${count(sink.pointsDead, "point")} refused`,
  ].filter((fact) => fact !== "");
  return row(`${runId}/sink/${sink.spec}`, oneLine(sink.spec), {
    contextValue: sink.remoteUrl === "" ? "sink" : "sink.link",
    description: oneLine(facts.join(" · ")),
    tooltip: [sink.spec, ...facts, ...sink.notes].join("\n"),
    iconPath: refused
      ? icon("error", "list.errorForeground")
      : sink.lastError !== ""
        ? icon("warning", "list.warningForeground")
        : icon(sink.state === "done" ? "cloud" : "cloud-upload"),
  });
}

function row(id: string, label: string, more: Partial<vscode.TreeItem>): vscode.TreeItem {
  return Object.assign(new vscode.TreeItem(label), more, { id });
}

function icon(name: string, color?: string): vscode.ThemeIcon {
  return new vscode.ThemeIcon(name, color === undefined ? undefined : new vscode.ThemeColor(color));
}
