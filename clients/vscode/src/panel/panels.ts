/** The tabs that show the page. One is used again and again; more are opened to the side. */
import * as vscode from "vscode";
import type { Server } from "../server/server.ts";
import { ROUTES, savedRoute } from "./messages.ts";
import { PagePanel } from "./panel.ts";

const VIEW_TYPE = "pipekit.page";

export class Panels implements vscode.WebviewPanelSerializer, vscode.Disposable {
  readonly #server: Server;
  readonly #extension: vscode.Uri;
  /** The last used last. */
  readonly #panels = new Set<PagePanel>();
  readonly #serializer: vscode.Disposable;

  /** `extension`: where its files are. */
  constructor(server: Server, extension: vscode.Uri) {
    this.#server = server;
    this.#extension = extension;
    this.#serializer = vscode.window.registerWebviewPanelSerializer(VIEW_TYPE, this);
  }

  /** Shows a place of the page in the tab that shows it already, or in a new one. */
  open(route: string): void {
    const panels = [...this.#panels];
    const panel = panels.find((panel) => panel.active) ?? panels.at(-1);
    if (panel === undefined) this.#create(route, vscode.ViewColumn.Active);
    else panel.navigate(route);
  }

  openAside(route: string): void {
    this.#create(route, vscode.ViewColumn.Beside);
  }

  /** Called by VS Code for a tab of an earlier window. */
  async deserializeWebviewPanel(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    this.#add(panel, savedRoute(state));
  }

  dispose(): void {
    this.#serializer.dispose();
    for (const panel of this.#panels) panel.close();
  }

  #create(route: string, column: vscode.ViewColumn): void {
    this.#add(
      vscode.window.createWebviewPanel(VIEW_TYPE, "Pipekit", column, { enableFindWidget: true }),
      route,
    );
  }

  #add(panel: vscode.WebviewPanel, route: string): void {
    const page = new PagePanel(panel, this.#server, this.#extension, route || ROUTES.runs);
    this.#panels.add(page);
    page.onDidDispose(() => this.#panels.delete(page));
  }
}
