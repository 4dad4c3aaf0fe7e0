/**
 * The tabs that show the page. One is used again and again; more are opened to the side. An address `pipekit:/run/ID`,
 * such as the language server gives to symbols, opens as a tab of its own.
 */
import * as vscode from "vscode";
import type { Server } from "../server/server.ts";
import { savedRoute } from "./messages.ts";
import { PagePanel } from "./panel.ts";

const VIEW_TYPE = "pipekit.page";

const ADDRESS_TYPE = "pipekit.address";

export class Panels
  implements vscode.WebviewPanelSerializer, vscode.CustomReadonlyEditorProvider, vscode.Disposable
{
  readonly #server: Server;
  readonly #extension: vscode.Uri;
  /** The last used last. */
  readonly #panels = new Set<PagePanel>();
  readonly #registered: vscode.Disposable;

  /** `extension`: where its files are. */
  constructor(server: Server, extension: vscode.Uri) {
    this.#server = server;
    this.#extension = extension;
    this.#registered = vscode.Disposable.from(
      vscode.window.registerWebviewPanelSerializer(VIEW_TYPE, this),
      vscode.window.registerCustomEditorProvider(ADDRESS_TYPE, this),
    );
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

  openCustomDocument(uri: vscode.Uri): vscode.CustomDocument {
    return { uri, dispose: () => undefined };
  }

  /** Called by VS Code for an address that is opened. */
  resolveCustomEditor({ uri }: vscode.CustomDocument, panel: vscode.WebviewPanel): void {
    const query = uri.query === "" ? "" : `?${uri.query}`;
    this.#add(panel, savedRoute({ route: `#${uri.path}${query}` }));
  }

  dispose(): void {
    this.#registered.dispose();
    for (const panel of this.#panels) panel.close();
  }

  #create(route: string, column: vscode.ViewColumn): void {
    this.#add(
      vscode.window.createWebviewPanel(VIEW_TYPE, "Pipekit", column, { enableFindWidget: true }),
      route,
    );
  }

  #add(panel: vscode.WebviewPanel, route: string): void {
    const page = new PagePanel(panel, this.#server, this.#extension, route);
    this.#panels.add(page);
    page.onDidDispose(() => this.#panels.delete(page));
  }
}
