/** Several runs side by side: each metric in one chart, and the params in which they differ. */
import type { RunDocument } from "@pipekit/proto/editor";
import { Board } from "../charts/board.ts";
import { RunFeed } from "../charts/feed.ts";
import { lineSample } from "../charts/line-sample.ts";
import { element, fill, userText } from "../dom.ts";
import { compareLines, flatten } from "../flatten.ts";
import { counted } from "../format.ts";
import { placeLink } from "../links.ts";
import { emptyNotice, failureNotice, waitingNotice } from "../notices.ts";
import { Paced } from "../paced.ts";
import type { Page, View, ViewMaker } from "../page.ts";
import { stateBadge } from "../run-parts.ts";
import { tableFrame } from "../tables.ts";
import { CHART_KEYS } from "./run.ts";

export const compareView: ViewMaker<"compare"> = (page, { runIds }, life) =>
  new CompareView(page, runIds, life);

class CompareView implements View {
  readonly title: string;
  readonly root: HTMLElement;
  readonly keys = CHART_KEYS;
  readonly #page: Page;
  readonly #life: AbortSignal;
  readonly #runIds: readonly string[];
  readonly #failures = element("div", {});
  readonly #legend = element("div", {});
  readonly #params = element("div", {});
  readonly #charts = element("section", { "aria-label": "Charts" }, waitingNotice("Reading the runs"));
  readonly #look: Paced;
  #board: Board | undefined;
  /** The charts live until another set of runs is there to be compared. */
  #boardLife = new AbortController();
  #feeds: readonly RunFeed[] = [];
  #everything = false;
  #runs: readonly RunDocument[] = [];

  constructor(page: Page, runIds: readonly string[], life: AbortSignal) {
    this.#page = page;
    this.#runIds = runIds;
    this.#life = life;
    this.title = `Comparison of ${counted(runIds.length, "run")}`;
    this.root = element(
      "section",
      { class: "view", "aria-labelledby": "title" },
      element("h1", { id: "title" }, this.title),
      this.#failures,
      this.#legend,
      this.#params,
      this.#charts,
    );
    this.#look = new Paced(() => this.#read(), life);
    const concerned = (changed: readonly { readonly runId: string }[]) =>
      changed.some(({ runId }) => runIds.includes(runId)) && this.#look.soon();
    life.addEventListener("abort", page.runs.onChange(concerned));
    page.onRestart(() => this.#look.soon(), life);
    this.#look.soon();
  }

  async #read(): Promise<void> {
    const asked = this.#runIds.map((runId) => this.#page.host.request("pipekit/run", { runId }, this.#life));
    const answers = await Promise.allSettled(asked);
    if (this.#life.aborted) return;
    const failures = answers.filter(({ status }) => status === "rejected") as PromiseRejectedResult[];
    const runs = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    if (runs.length === 0 && this.#runs.length > 0) return;
    const again = () => this.#look.soon();
    fill(this.#failures, ...failures.map(({ reason }) => failureNotice(reason, again)));
    this.#show(runs);
  }

  #show(runs: readonly RunDocument[]): void {
    const same = this.#runs.map(({ runId }) => runId).join() === runs.map(({ runId }) => runId).join();
    this.#runs = runs;
    if (!same || this.#board === undefined) this.#open(runs);
    for (const [index, run] of runs.entries()) this.#feeds[index]?.setLive(run.state === "running");
    const keys = new Set(runs.flatMap(({ series }) => series.map(({ key }) => key)));
    this.#board?.show(keys);
    if (keys.size === 0) fill(this.#charts, emptyNotice("These runs have logged no metrics yet."));
    else if (this.#board?.root.parentElement !== this.#charts) fill(this.#charts, this.#board?.root);
    fill(this.#legend, ...runs.map(legendLine));
    this.#showParams();
  }

  #open(runs: readonly RunDocument[]): void {
    const listeners = {
      beside: runs.length,
      changed: (key: string) => this.#board?.changed(key),
      failed: (failure: unknown) => this.#board?.failed(failure),
    };
    this.#boardLife.abort();
    this.#boardLife = new AbortController();
    const life = AbortSignal.any([this.#life, this.#boardLife.signal]);
    this.#feeds = runs.map(
      ({ runId, state }) => new RunFeed(this.#page, { ...listeners, runId, live: state === "running" }, life),
    );
    const lines = this.#feeds.map((feed, index) => ({ feed, label: runs[index]?.name || feed.runId }));
    this.#board = new Board(lines, (text) => this.#page.announce(text), life);
  }

  #showParams(): void {
    const lines = this.#runs.map((run) => [...flatten(run.config), ...Object.entries(run.params)]);
    const all = compareLines(lines);
    const shown = all.filter(({ same }) => this.#everything || !same);
    const box = element("input", {
      type: "checkbox",
      onchange: () => {
        this.#everything = box.checked;
        this.#showParams();
        this.#params.querySelector("input")?.focus();
      },
    });
    box.checked = this.#everything;
    const head = [element("th", { scope: "col" }, "Param"), ...this.#runs.map(runTitle)];
    const rows = shown.map(({ path, values }) => {
      const cells = values.map((value) =>
        element("td", { class: "mono" }, value === undefined ? "–" : userText(value)),
      );
      return element("tr", {}, element("th", { scope: "row" }, userText(path)), ...cells);
    });
    const none =
      all.length === 0 ? "These runs have no params." : "These runs do not differ in their params.";
    fill(
      this.#params,
      element("h2", {}, "Params"),
      element("label", { class: "bar" }, box, "also those that are the same"),
      rows.length === 0
        ? element("p", { class: "faint" }, none)
        : tableFrame(
            "Params",
            element("thead", {}, element("tr", {}, ...head)),
            element("tbody", {}, ...rows),
          ),
    );
  }
}

function legendLine(run: RunDocument, index: number): HTMLElement {
  const name = placeLink({ view: "run", runId: run.runId }, userText(run.name || run.runId));
  return element(
    "p",
    { class: "legend" },
    lineSample(index),
    name,
    " ",
    stateBadge(run.state),
    " ",
    element("code", {}, run.runId),
  );
}

function runTitle(run: RunDocument, index: number): HTMLElement {
  return element("th", { scope: "col" }, lineSample(index), userText(run.name || run.runId));
}
