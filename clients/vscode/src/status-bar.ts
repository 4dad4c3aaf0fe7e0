/** What runs now, in the status bar. */
import type { RunBrief } from "@pipekit/proto/editor";
import * as vscode from "vscode";
import { sentences } from "./failure.ts";
import type { Health } from "./server/health.ts";
import { count, headline, oneLine } from "./words.ts";

/** As many runs as the tooltip names. */
const NAMED = 10;

export class StatusBar implements vscode.Disposable {
  readonly #item = vscode.window.createStatusBarItem("pipekit.runs", vscode.StatusBarAlignment.Left, 10);

  constructor() {
    this.#item.name = "Pipekit: Running Runs";
    this.#item.command = "pipekit.ui.pickRun";
    this.#item.show();
  }

  /** `running`: newest first. */
  show(health: Health, running: readonly RunBrief[]): void {
    const trouble = health.state !== "connected" && health.state !== "connecting";
    this.#item.text = trouble
      ? "$(warning) Pipekit"
      : running.length === 0
        ? "$(pulse) no runs"
        : `$(pulse) ${count(running.length, "run")}`;
    this.#item.backgroundColor = trouble
      ? new vscode.ThemeColor("statusBarItem.warningBackground")
      : undefined;
    this.#item.tooltip = trouble ? sentences(health) : tooltip(health, running);
    this.#item.accessibilityInformation = {
      label: trouble ? `Pipekit: ${sentences(health)}` : `Pipekit: ${count(running.length, "run")} running`,
    };
  }

  dispose(): void {
    this.#item.dispose();
  }
}

/** Plain text: names of runs are data. */
function tooltip(health: Health, running: readonly RunBrief[]): string {
  if (health.state === "connecting") return "Pipekit: looking for the daemon…";
  if (running.length === 0) return "Pipekit: nothing runs. Click to go to a run.";
  const lines = running
    .slice(0, NAMED)
    .map((run) => [oneLine(run.name), headline(run)].filter((text) => text !== "").join(": "));
  const more = running.length > NAMED ? [`and ${running.length - NAMED} more`] : [];
  return [...lines, ...more].join("\n");
}
