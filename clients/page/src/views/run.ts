/** One run: how it is, where its points went, and its charts, live. */
import type { RunBrief, RunDocument } from "@pipekit/proto/editor";
import { Board } from "../charts/board.ts";
import { RunFeed } from "../charts/feed.ts";
import { element, fill, setText } from "../dom.ts";
import { codeSample, emptyNotice, failureNotice, waitingNotice } from "../notices.ts";
import { Paced } from "../paced.ts";
import type { Page, View, ViewMaker } from "../page.ts";
import { artifactsPart, configPart, RunHead } from "./run-parts.ts";

const LOG_SAMPLE = `run.log({"loss": loss}, step)`;

export const CHART_KEYS = [
  ["← →", "moves the cursor of a chart; with Shift by ten"],
  ["Home End", "to its first and last point"],
  ["+ −", "zooms in and out at the cursor"],
  ["0", "shows the whole run"],
] as const;

interface Shown {
  readonly head: RunHead;
  readonly feed: RunFeed;
  readonly board: Board;
}

export const runView: ViewMaker<"run"> = (page, { runId }, life) => new RunView(page, runId, life);

class RunView implements View {
  readonly root = element("section", { class: "view", "aria-labelledby": "title" });
  readonly keys = CHART_KEYS;
  readonly #page: Page;
  readonly #runId: string;
  readonly #life: AbortSignal;
  readonly #title = element("h1", { id: "title" });
  readonly #head = element("div", {});
  readonly #charts = element("section", { "aria-label": "Charts" });
  readonly #look: Paced;
  #document: RunDocument | undefined;
  #shown: Shown | undefined;

  constructor(page: Page, runId: string, life: AbortSignal) {
    this.#page = page;
    this.#runId = runId;
    this.#life = life;
    this.#look = new Paced(() => this.#read(), life);
    setText(this.#title, this.title);
    fill(this.root, this.#title, this.#head, this.#charts);
    fill(this.#head, waitingNotice("Reading the run"));
    life.addEventListener(
      "abort",
      page.runs.onChange((changed) => {
        const brief = changed.find((run) => run.runId === this.#id);
        if (brief !== undefined) this.#changed(brief);
      }),
    );
    page.onRestart(() => this.#look.soon(), life);
    page.on("pipekit/daemonStatus", ({ state }) => state === "connected" && this.#look.soon(), life);
    this.#look.soon();
  }

  get title(): string {
    const name = this.#page.runs.get(this.#id)?.name ?? this.#document?.name;
    return name || `Run ${this.#runId}`;
  }

  /** The whole id; the address may hold the beginning of it only. */
  get #id(): string {
    return this.#document?.runId ?? this.#runId;
  }

  async #read(): Promise<void> {
    try {
      this.#show(await this.#page.host.request("pipekit/run", { runId: this.#id }, this.#life));
    } catch (thrown) {
      if (this.#life.aborted) return;
      // What is known stays; the banner tells that the daemon is away.
      if (this.#document === undefined)
        fill(
          this.#head,
          failureNotice(thrown, () => this.#look.soon()),
        );
    }
  }

  #show(run: RunDocument): void {
    this.#document = run;
    setText(this.#title, this.title);
    document.title = `${this.title} · pipekit`;
    this.#shown ??= this.#open(run);
    const shown = this.#shown;
    shown.head.show(run);
    shown.feed.setLive(run.state === "running");
    shown.board.show(run.series.map(({ key }) => key));
    const waits = run.series.length === 0;
    if (waits) fill(this.#charts, noMetrics(run));
    else if (shown.board.root.parentElement === null) fill(this.#charts, shown.board.root);
  }

  #open(run: RunDocument): Shown {
    const options = {
      runId: run.runId,
      live: run.state === "running",
      beside: 1,
      changed: (key: string) => board.changed(key),
      failed: (failure: unknown) => board.failed(failure),
    };
    const feed = new RunFeed(this.#page, options, this.#life);
    const board = new Board([{ feed, label: run.name }], (text) => this.#page.announce(text), this.#life);
    const head = new RunHead(run, this.#life);
    fill(this.#head, head.root, configPart(run), artifactsPart(run));
    return { head, feed, board };
  }

  #changed(brief: RunBrief): void {
    this.#shown?.head.show(brief);
    this.#shown?.feed.setLive(brief.state === "running");
    // A metric that is new is told by the whole run only.
    this.#look.soon();
  }
}

function noMetrics(run: RunDocument): HTMLElement {
  if (run.state !== "running") return emptyNotice("This run has logged no metrics.");
  return emptyNotice("No metrics yet. They appear here as soon as they are logged:", codeSample(LOG_SAMPLE));
}
