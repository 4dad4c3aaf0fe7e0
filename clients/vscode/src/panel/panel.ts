/** One page in an editor tab: forwards its requests, tells it what happens, and ends what it follows. */
import type { EditorResults } from "@pipekit/proto/editor";
import * as vscode from "vscode";
import { failureOf } from "../failure.ts";
import type { Notified, Server } from "../server/server.ts";
import { pageDocument } from "./document.ts";
import { readMessage } from "./messages.ts";

export class PagePanel {
  readonly #panel: vscode.WebviewPanel;
  readonly #server: Server;
  readonly #follows = new Set<string>();
  readonly #waiting = new Map<number, vscode.CancellationTokenSource>();
  readonly #subscriptions: vscode.Disposable[];
  /** Where the page is to go as soon as it is there. */
  #pending: string | undefined;
  #visible: boolean;
  readonly onDidDispose: vscode.Event<void>;

  constructor(panel: vscode.WebviewPanel, server: Server, extension: vscode.Uri, route: string) {
    const folder = vscode.Uri.joinPath(extension, "dist/daemon/page");
    this.#panel = panel;
    this.#server = server;
    this.#visible = panel.visible;
    this.onDidDispose = panel.onDidDispose;
    panel.webview.options = { enableScripts: true, localResourceRoots: [folder] };
    const icon = (theme: string) => vscode.Uri.joinPath(extension, `media/page-${theme}.svg`);
    panel.iconPath = { light: icon("light"), dark: icon("dark") };
    this.#subscriptions = [
      panel.webview.onDidReceiveMessage((message: unknown) => void this.#take(message)),
      panel.onDidChangeViewState(() => this.#shownOrHidden()),
      panel.onDidDispose(() => this.#close()),
      server.onNotified((notified) => this.#tell(notified)),
      server.onStarted(() => this.#restarted()),
    ];
    panel.webview.html = pageDocument(panel.webview, folder, route);
  }

  get active(): boolean {
    return this.#panel.active;
  }

  /** Shows the page at a place, in the column where it is. */
  navigate(route: string): void {
    // The page of a hidden tab is gone, and comes back with its first request.
    if (this.#visible) void this.#panel.webview.postMessage({ navigate: route });
    else this.#pending = route;
    this.#panel.reveal();
  }

  close(): void {
    this.#panel.dispose();
  }

  async #take(message: unknown): Promise<void> {
    const read = readMessage(message);
    if (read === undefined) return;
    if (read.kind === "cancel") return this.#waiting.get(read.id)?.cancel();
    this.#goToPending();
    const { id } = read;
    if (read.kind === "refused") {
      const { message, field } = read;
      return this.#post({ id, error: { code: "INVALID_ARGUMENT", message, field, mend: "" } });
    }
    const source = new vscode.CancellationTokenSource();
    this.#waiting.set(id, source);
    try {
      // The params were parsed by the method's own schema.
      const result = await this.#server.request(read.method, read.params as never, source.token);
      if (read.method === "pipekit/follow") this.#followed(result as EditorResults["pipekit/follow"]);
      if (!source.token.isCancellationRequested) this.#post({ id, result });
    } catch (thrown) {
      if (!source.token.isCancellationRequested) this.#post({ id, error: failureOf(thrown) });
    } finally {
      if (this.#waiting.get(id) === source) this.#waiting.delete(id);
      source.dispose();
    }
  }

  #followed({ follow }: EditorResults["pipekit/follow"]): void {
    if (this.#visible) this.#follows.add(follow);
    else this.#unfollow([follow]);
  }

  #tell({ method, params }: Notified): void {
    if (!this.#visible) return;
    if (method === "pipekit/points" && "follow" in params && !this.#follows.has(params.follow)) return;
    this.#post({ notification: method, params });
  }

  #goToPending(): void {
    if (this.#pending === undefined) return;
    this.#post({ navigate: this.#pending });
    this.#pending = undefined;
  }

  /** A hidden page is taken down by VS Code, and made anew from what it saved. */
  #shownOrHidden(): void {
    if (this.#visible && !this.#panel.visible) this.#forget();
    this.#visible = this.#panel.visible;
  }

  /** Another server knows no follow of the last. */
  #restarted(): void {
    this.#follows.clear();
    if (this.#visible) this.#post({ restarted: true });
  }

  #forget(): void {
    for (const source of this.#waiting.values()) source.cancel();
    this.#waiting.clear();
    this.#unfollow([...this.#follows]);
    this.#follows.clear();
  }

  #unfollow(follows: readonly string[]): void {
    for (const follow of follows) {
      // A server that has gone has ended it already.
      this.#server.request("pipekit/unfollow", { follow }).catch(() => undefined);
    }
  }

  #post(message: object): void {
    void this.#panel.webview.postMessage(message);
  }

  #close(): void {
    this.#visible = false;
    this.#forget();
    for (const subscription of this.#subscriptions) subscription.dispose();
  }
}
