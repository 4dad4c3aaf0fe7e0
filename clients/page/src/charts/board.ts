/** All charts of a view, in groups, with the settings that they share. */
import { element, setText } from "../dom.ts";
import { counted } from "../format.ts";
import { failureNotice } from "../notices.ts";
import { boardBar } from "./board-bar.ts";
import { DrawQueue } from "./draw-queue.ts";
import { groupMetrics, SYSTEM_GROUP } from "./groups.ts";
import { Look } from "./look.ts";
import { onThemeChange } from "./palette.ts";
import { type Line, Panel } from "./panel.ts";

/** Charts so far from the screen are made ready; in pixels. */
const NEAR = "300px 0px";
const GATHER_MS = 25;

interface Group {
  readonly root: HTMLDetailsElement;
  readonly panels: HTMLElement;
  readonly count: HTMLElement;
}

export class Board {
  readonly root: HTMLElement;
  readonly #look = new Look();
  readonly #queue = new DrawQueue();
  readonly #panels = new Map<string, Panel>();
  readonly #groups = new Map<string, Group>();
  readonly #groupsRoot = element("div", {});
  readonly #failure = element("div", {});
  readonly #lines: readonly Line[];
  readonly #announce: (text: string) => void;
  readonly #sight: IntersectionObserver;
  #filter = "";
  #detailed = new Set<Panel>();
  #detailing: ReturnType<typeof setTimeout> | undefined;
  #detailLife = new AbortController();

  constructor(lines: readonly Line[], announce: (text: string) => void, life: AbortSignal) {
    this.#lines = lines;
    this.#announce = announce;
    const bar = boardBar(this.#look, (text) => this.#filterBy(text));
    this.root = element("div", { class: "board" }, bar, this.#failure, this.#groupsRoot);
    const root = document.getElementById("main");
    this.#sight = new IntersectionObserver((entries) => this.#seen(entries), { root, rootMargin: NEAR });
    this.#look.onChange(() => this.#lookChanged());
    onThemeChange(() => this.#each((panel) => panel.redraw()), life);
    const width = new ResizeObserver(() => this.#each((panel) => panel.drawSoon()));
    width.observe(this.#groupsRoot);
    life.addEventListener("abort", () => {
      width.disconnect();
      this.#sight.disconnect();
      clearTimeout(this.#detailing);
      this.#detailLife.abort();
      this.#each((panel) => panel.setVisible(false));
    });
  }

  /** Shows charts of these metrics; those that are there already stay. */
  show(keys: Iterable<string>): void {
    for (const group of groupMetrics(keys)) {
      const { panels, count } = this.#group(group.name);
      setText(count, counted(group.keys.length, "metric"));
      for (const [index, key] of group.keys.entries()) {
        const root = this.#panel(key).root;
        if (panels.children[index] !== root) panels.insertBefore(root, panels.children[index] ?? null);
      }
    }
  }

  /** Points of a metric have changed. */
  changed(key: string): void {
    this.#panels.get(key)?.drawSoon();
  }

  failed(failure: unknown): void {
    this.#failure.replaceChildren(failureNotice(failure));
  }

  #panel(key: string): Panel {
    const present = this.#panels.get(key);
    if (present !== undefined) return present;
    const panel = new Panel(key, {
      lines: this.#lines,
      look: this.#look,
      queue: this.#queue,
      announce: this.#announce,
      detail: (wanted) => this.#detail(wanted),
    });
    panel.root.hidden = !this.#passes(key);
    this.#panels.set(key, panel);
    this.#sight.observe(panel.root);
    return panel;
  }

  #group(name: string): Group {
    const present = this.#groups.get(name);
    if (present !== undefined) return present;
    const panels = element("div", { class: "panels" });
    const count = element("span", { class: "faint" });
    const title = element("h3", {}, name === "" ? "metrics" : element("bdi", {}, name));
    // What the machine did is looked at when something is odd: it is folded.
    const open = name !== SYSTEM_GROUP;
    const root = element("details", { class: "group", open }, element("summary", {}, title, count), panels);
    const made = { root, panels, count };
    this.#groups.set(name, made);
    const order = groupMetrics([...this.#groups.keys()].map((known) => (known === "" ? "-" : `${known}/-`)));
    this.#groupsRoot.append(...order.flatMap((group) => this.#groups.get(group.name)?.root ?? []));
    return made;
  }

  #seen(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      this.#panels.get((target as HTMLElement).dataset["metric"] ?? "")?.setVisible(isIntersecting);
    }
  }

  #filterBy(text: string): void {
    this.#filter = text.toLowerCase();
    this.#each((panel) => {
      panel.root.hidden = !this.#passes(panel.key);
    });
    for (const { root, panels } of this.#groups.values()) {
      root.hidden = ![...panels.children].some((panel) => !(panel as HTMLElement).hidden);
    }
  }

  #passes(key: string): boolean {
    return key.toLowerCase().includes(this.#filter);
  }

  #lookChanged(): void {
    this.#detailLife.abort();
    this.#detailLife = new AbortController();
    this.#detailed.clear();
    this.#each((panel) => {
      panel.drawSoon();
      if (panel.visible && this.#look.values.zoom !== undefined) this.#detail(panel);
    });
  }

  /** Charts that ask for the same range within some milliseconds are answered together. */
  #detail(panel: Panel): void {
    this.#detailed.add(panel);
    this.#detailing ??= setTimeout(() => {
      this.#detailing = undefined;
      for (const line of this.#lines) this.#askDetail(line);
      this.#detailed.clear();
    }, GATHER_MS);
  }

  #askDetail(line: Line): void {
    const byRange = new Map<string, { from: number; to: number; keys: string[] }>();
    for (const panel of this.#detailed) {
      const steps = panel.zoomedSteps(line);
      if (steps === undefined) continue;
      const name = `${steps.from} ${steps.to}`;
      const range = byRange.get(name) ?? { ...steps, keys: [] };
      range.keys.push(panel.key);
      byRange.set(name, range);
    }
    const { signal } = this.#detailLife;
    for (const { from, to, keys } of byRange.values()) {
      line.feed.zoom(keys, from, to, signal).catch((thrown) => signal.aborted || this.failed(thrown));
    }
  }

  #each(visit: (panel: Panel) => void): void {
    for (const panel of this.#panels.values()) visit(panel);
  }
}
