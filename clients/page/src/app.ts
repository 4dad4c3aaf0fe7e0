/** The frame of the page: where it is, the way elsewhere, the state of the connection, and the keys. */
import type { DaemonDocument, EditorNotification, EditorNotifications } from "@pipekit/proto/editor";
import { Banner } from "./banner.ts";
import { showKeys } from "./dialogs/keys.ts";
import { button, element, fill, setText } from "./dom.ts";
import type { Host } from "./host.ts";
import type { KnownRuns } from "./known-runs.ts";
import { News } from "./news.ts";
import { emptyNotice } from "./notices.ts";
import type { Page, View } from "./page.ts";
import { formatRoute, parseRoute, type Route } from "./router.ts";
import { openView } from "./views/index.ts";

const PLACES: readonly { readonly route: Route; readonly label: string }[] = [
  { route: { view: "runs" }, label: "Runs" },
  { route: { view: "models", registry: "" }, label: "Models" },
  { route: { view: "dead-letters", runId: "" }, label: "Dead letters" },
];

/** Which entry of the navigation a view belongs to. */
const BELONGS_TO: Readonly<Record<Route["view"], Route["view"]>> = {
  runs: "runs",
  run: "runs",
  compare: "runs",
  models: "models",
  model: "models",
  tag: "models",
  "dead-letters": "dead-letters",
};

export class App implements Page {
  readonly host: Host;
  readonly #news: News;
  readonly #main = element("main", { id: "main", tabindex: -1 });
  readonly #places = element("nav", { "aria-label": "Places" });
  readonly #spoken = element("div", { class: "unseen", "aria-live": "polite" });
  readonly #banner = new Banner();
  /** Places that were left, for the way back where there is no browser around the page. */
  readonly #left: string[] = [];
  readonly #back = button("Back", () => this.#goBack(), { class: "quiet back", hidden: true });
  #hash = "";
  #view: View | undefined;
  #life = new AbortController();

  constructor(host: Host) {
    this.host = host;
    this.#news = new News(host, (daemon) => this.#banner.daemon(daemon));
  }

  get runs(): KnownRuns {
    return this.#news.runs;
  }

  get daemon(): DaemonDocument | undefined {
    return this.#news.daemon;
  }

  get listed(): boolean {
    return this.#news.listed;
  }

  start(body: HTMLElement): void {
    const header = element(
      "header",
      { class: "top" },
      this.#back,
      element("span", { class: "brand" }, "pipekit-experiment"),
      this.#places,
      button("Keys", () => this.#showKeys(), { class: "quiet", title: "Keyboard: ?" }),
    );
    const skip = element("a", { class: "skip", href: "#main", onclick: (event: Event) => this.#skip(event) });
    setText(skip, "Skip to content");
    if (this.host.inEditor) body.classList.add("in-editor");
    body.prepend(skip, header, this.#banner.root, this.#main, this.#spoken);
    this.#listen();
    // A webview that was hidden is made anew with its first route, and goes on where it was.
    this.#show(this.host.savedRoute() || (body.dataset["route"] ?? ""));
  }

  go(route: Route): void {
    if (this.host.inEditor) {
      this.#left.push(this.#hash);
      this.#show(formatRoute(route));
    } else location.hash = formatRoute(route);
  }

  announce(text: string): void {
    setText(this.#spoken, text);
  }

  on<N extends EditorNotification>(
    method: N,
    told: (params: EditorNotifications[N]) => void,
    signal: AbortSignal,
  ): void {
    this.#news.on(method, told, signal);
  }

  onRestart(restarted: () => void, signal: AbortSignal): void {
    this.#news.onRestart(restarted, signal);
  }

  #listen(): void {
    const { host } = this;
    host.listen({
      notified: (method, params) => this.#news.take(method, params),
      connection: (connection) => this.#banner.connection(connection),
      restarted: () => this.#news.begin(),
      navigate: (hash) => {
        if (host.inEditor && this.#hash !== hash) this.#left.push(this.#hash);
        this.#show(hash);
      },
    });
    // VS Code follows no link within a webview; a browser that opens one in another tab is left to do so.
    document.addEventListener("click", (event) => this.#followed(event), { capture: true });
    window.addEventListener("hashchange", () => this.#show(location.hash));
    document.addEventListener("keydown", (event) => this.#pressed(event));
    this.#news.begin();
  }

  #show(hash: string): void {
    const route = parseRoute(hash === "" ? "#/runs" : hash);
    this.#life.abort();
    this.#life = new AbortController();
    this.#hash = hash;
    this.#back.hidden = this.#left.length === 0;
    this.host.saveRoute(hash);
    this.#view = route === undefined ? nowhere() : openView(this, route, this.#life.signal);
    document.title = `${this.#view.title} · pipekit`;
    this.#showPlaces(route);
    // Who uses the keyboard or listens goes on at the new view.
    const focused = document.activeElement !== document.body;
    fill(this.#main, this.#view.root);
    this.#main.scrollTop = 0;
    if (focused) this.#main.focus({ preventScroll: true });
    this.announce(this.#view.title);
  }

  #showPlaces(here: Route | undefined): void {
    const current = here && BELONGS_TO[here.view];
    const links = PLACES.map(({ route, label }) =>
      element("a", { href: formatRoute(route), "aria-current": route.view === current && "page" }, label),
    );
    fill(this.#places, ...links);
  }

  #followed(event: MouseEvent): void {
    const link = (event.target as Element).closest?.("a[href^='#/']");
    if (!this.host.inEditor || link == null || event.button !== 0) return;
    event.preventDefault();
    event.stopPropagation();
    const route = parseRoute(link.getAttribute("href") ?? "");
    if (route !== undefined) this.go(route);
  }

  #goBack(): void {
    const before = this.#left.pop();
    if (before !== undefined) this.#show(before);
  }

  #skip(event: Event): void {
    event.preventDefault();
    this.#main.focus();
  }

  #pressed(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    const writing = target.matches("input:not([type=checkbox], [type=range]), textarea, select");
    if (writing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]") !== null) return;
    if (event.key === "?") this.#showKeys();
    else if (this.#view?.pressed?.(event.key) !== true) return;
    event.preventDefault();
  }

  #showKeys(): void {
    showKeys(this.#view?.keys ?? []);
  }
}

function nowhere(): View {
  const root = emptyNotice("There is no such place.", element("a", { href: "#/runs" }, "Show the runs"));
  return { title: "Not found", root };
}
