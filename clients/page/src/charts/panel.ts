/** One metric on the page: its chart, a tooltip at the cursor, and the same in words and as a table. */
import { element, freshId, setText, userText } from "../dom.ts";
import { formatCount, formatTime, formatValue } from "../format.ts";
import { Chart } from "./chart.ts";
import type { DrawQueue } from "./draw-queue.ts";
import type { RunFeed } from "./feed.ts";
import type { Look } from "./look.ts";
import { chartRows } from "./rows.ts";
import { SummaryTable } from "./summary-table.ts";

/** A run whose metrics are drawn. */
export interface Line {
  readonly feed: RunFeed;
  /** The name of the run, where there are several. */
  readonly label: string;
}

export interface PanelSurroundings {
  readonly lines: readonly Line[];
  readonly look: Look;
  readonly queue: DrawQueue;
  announce(text: string): void;
  /** Asks for full detail of what is zoomed into. */
  detail(panel: Panel): void;
}

const ANNOUNCE_MS = 150;

export class Panel {
  readonly root: HTMLElement;
  readonly key: string;
  readonly #around: PanelSurroundings;
  readonly #frame: HTMLElement;
  readonly #tooltip = element("div", { class: "tooltip", hidden: true });
  readonly #note = element("p", { class: "note" });
  readonly #table: SummaryTable;
  readonly #chart: Chart;
  readonly #draw = () => this.#drawNow();
  #visible = false;
  #byKeyboard = false;
  #announcing: ReturnType<typeof setTimeout> | undefined;

  constructor(key: string, around: PanelSurroundings) {
    this.key = key;
    this.#around = around;
    const title = freshId("metric");
    this.#table = new SummaryTable(around.lines.map(({ label }) => label));
    this.#frame = element("div", {
      class: "plot",
      tabindex: 0,
      role: "application",
      "aria-roledescription": "chart",
      "aria-labelledby": title,
      onkeydown: (event: KeyboardEvent) => this.#pressed(event),
      onpointermove: () => {
        this.#byKeyboard = false;
      },
    });
    this.root = element(
      "figure",
      { class: "panel", "data-metric": key, "aria-labelledby": title },
      element("figcaption", { id: title }, userText(key)),
      element("div", { class: "plot-frame" }, this.#frame, this.#tooltip),
      this.#note,
      this.#table.root,
    );
    this.#chart = new Chart(this.#frame, around.lines.length, {
      zoomed: (from, to) => around.look.change({ zoom: { from, to } }),
      unzoomed: () => around.look.change({ zoom: undefined }),
      pointed: (at) => this.#pointed(at),
    });
  }

  get visible(): boolean {
    return this.#visible;
  }

  /** Whether it is on the screen; only then it is fed and drawn. */
  setVisible(visible: boolean): void {
    if (visible === this.#visible) return;
    this.#visible = visible;
    for (const { feed } of this.#around.lines) visible ? feed.show(this.key) : feed.hide(this.key);
    if (visible) {
      this.drawSoon();
      if (this.#around.look.values.zoom !== undefined) this.#around.detail(this);
    } else {
      this.#around.queue.drop(this.#draw);
      this.#chart.close();
    }
  }

  drawSoon(): void {
    if (this.#visible) this.#around.queue.add(this.#draw);
  }

  /** Draws from the start, in the colours of another theme. */
  redraw(): void {
    this.#chart.close();
    this.drawSoon();
  }

  /** The steps that the zoom shows, for a run; undefined when none are known. */
  zoomedSteps({ feed }: Line): { readonly from: number; readonly to: number } | undefined {
    const { zoom, axis } = this.#around.look.values;
    if (zoom === undefined) return undefined;
    if (axis === "step") return { from: Math.floor(zoom.from), to: Math.ceil(zoom.to) };
    return feed.series(this.key).stepsBetween(zoom.from * 1e6, zoom.to * 1e6);
  }

  #drawNow(): void {
    const { lines, look } = this.#around;
    const { axis, log, smoothing } = look.values;
    const series = lines.map(({ feed }) => feed.series(this.key));
    if (series.every(({ version }) => version === 0)) return;
    const rows = lines.map((line) =>
      chartRows(line.feed.series(this.key).points(this.zoomedSteps(line)), axis, log, smoothing),
    );
    this.#chart.draw(rows, look.values);
    this.#table.show(series.map(({ summary }) => summary));
    this.#showNote(
      series.reduce((sum, { summary }) => sum + summary.unusual, 0),
      series.every(({ summary }) => summary.exact),
      rows.reduce((sum, { belowLog }) => sum + belowLog, 0),
    );
    if (this.root.dataset["drawn"] === undefined) {
      this.root.dataset["drawn"] = "";
      performance.mark("pipekit-chart");
    }
  }

  #showNote(unusual: number, exact: boolean, belowLog: number): void {
    const count = `${exact ? "" : "at least "}${formatCount(unusual)}`;
    const notes = [
      unusual > 0 && `▲ ${count} ${unusual === 1 ? "value is" : "values are"} NaN or infinite`,
      belowLog > 0 && `${formatCount(belowLog)} at or below 0 have no place on a logarithmic axis`,
    ].filter(Boolean);
    setText(this.#note, notes.join("; "));
  }

  #pointed(at: { x: number; values: readonly (number | null)[]; left: number } | undefined): void {
    this.#tooltip.hidden = at === undefined;
    if (at === undefined) return;
    const told = this.#told(at.x, at.values);
    this.#tooltip.replaceChildren(...told.map((line) => element("div", {}, line)));
    const behind = at.left > this.#frame.clientWidth * 0.6;
    this.#tooltip.style.transform = `translateX(${Math.round(at.left + (behind ? -12 : 12))}px)${behind ? " translateX(-100%)" : ""}`;
    if (!this.#byKeyboard || document.activeElement !== this.#frame) return;
    clearTimeout(this.#announcing);
    this.#announcing = setTimeout(() => this.#around.announce(told.join(", ")), ANNOUNCE_MS);
  }

  #told(x: number, values: readonly (number | null)[]): string[] {
    const { lines, look } = this.#around;
    const where = look.values.axis === "step" ? `step ${formatCount(Math.round(x))}` : formatTime(x * 1e6);
    const alone = lines.length === 1;
    const named = values.map((value, index) => {
      const name = alone ? ["", "smoothed "][index] : `${lines[index]?.label}: `;
      return value === null ? undefined : `${name}${formatValue(value)}`;
    });
    return [where, ...named.filter((line) => line !== undefined)];
  }

  #pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const pace = event.shiftKey ? 10 : 1;
    const moves: Readonly<Record<string, number>> = {
      ArrowLeft: -pace,
      ArrowRight: pace,
      Home: Number.NEGATIVE_INFINITY,
      End: Number.POSITIVE_INFINITY,
    };
    const by = moves[event.key];
    this.#byKeyboard = true;
    if (by !== undefined) this.#chart.moveCursor(by);
    else if (event.key === "+") this.#chart.zoomBy(0.5);
    else if (event.key === "-") this.#chart.zoomBy(2);
    else if (event.key === "0") this.#around.look.change({ zoom: undefined });
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
