/** What a chart shows, as a table: for who does not see it, and as the legend where there are several lines. */
import { element, setText, userText } from "../dom.ts";
import { formatCount, formatValue } from "../format.ts";
import { lineSample } from "./line-sample.ts";
import type { SeriesSummary } from "./series.ts";

const TITLES = ["Last", "Min", "Max", "Points"];

export class SummaryTable {
  readonly root: HTMLElement;
  readonly #rows: readonly (readonly HTMLElement[])[];

  /** One line for each label; the label is left out where there is one line only. */
  constructor(labels: readonly string[]) {
    this.#rows = labels.map(() => TITLES.map(() => element("td", {}, "–")));
    const several = labels.length > 1;
    const head = TITLES.map((title) => element("th", { scope: "col" }, title));
    const rows = labels.map((label, index) => {
      const name = element("th", { scope: "row" }, lineSample(index), userText(label));
      return element("tr", {}, several && name, ...(this.#rows[index] ?? []));
    });
    this.root = element(
      "table",
      { class: "summary" },
      element("thead", {}, element("tr", {}, several && element("th", { scope: "col" }, "Run"), ...head)),
      element("tbody", {}, ...rows),
    );
  }

  show(summaries: readonly SeriesSummary[]): void {
    for (const [index, cells] of this.#rows.entries()) {
      const summary = summaries[index];
      if (summary === undefined || summary.points === 0) continue;
      const texts = [summary.last, summary.min, summary.max].map(formatValue);
      for (const [place, text] of [...texts, formatCount(summary.points)].entries()) {
        const cell = cells[place];
        if (cell !== undefined) setText(cell, text);
      }
      cells[0]?.setAttribute("title", `step ${formatCount(summary.lastStep)}`);
    }
  }
}
