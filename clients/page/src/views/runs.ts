/** All runs, newest first: live, filtered as one types, several selected to compare. */
import type { RunBrief, RunStateName } from "@pipekit/proto/editor";
import { button, element, fill, setText, userText } from "../dom.ts";
import { counted, formatAge, formatCount, formatTime, nowUs } from "../format.ts";
import { placeLink } from "../links.ts";
import type { Column } from "../lists/grid-parts.ts";
import { VirtualList } from "../lists/virtual-list.ts";
import { codeSample, emptyNotice, waitingNotice } from "../notices.ts";
import type { Page, View, ViewMaker } from "../page.ts";
import { MAX_COMPARED } from "../router.ts";
import { headline, sinksInBrief, stateBadge } from "../run-parts.ts";

const AGES_MS = 5000;
const FIRST_RUN = `import pipekit_experiment as pe

with pe.start_run("first", config={"lr": 1e-3}) as run:
    for step in range(1000):
        run.log({"loss": 1 / (step + 1)}, step)`;

const COLUMNS: readonly Column<RunBrief>[] = [
  { title: "State", width: "7.5rem", cell: (run) => stateBadge(run.state) },
  {
    title: "Name",
    width: "minmax(8rem, 2fr)",
    cell: (run) =>
      placeLink({ view: "run", runId: run.runId }, userText(run.name || run.runId), { tabindex: -1 }),
  },
  { title: "Last value", width: "minmax(7rem, 1.4fr)", cell: headline },
  { title: "Points", width: "6.5rem", cell: (run) => formatCount(run.points) },
  { title: "Sinks", width: "minmax(7rem, 1.2fr)", cell: (run) => sinksInBrief(run, nowUs()) },
  {
    title: "Started",
    width: "8.5rem",
    cell: (run) =>
      element("time", { title: formatTime(run.startedAtUs) }, formatAge(run.startedAtUs, nowUs())),
  },
];

/** Filters outlast the view: who comes back from a run finds the list as it was. */
const filter: { text: string; state: RunStateName | "" } = { text: "", state: "" };

export const runsView: ViewMaker<"runs"> = (page, _route, life) => new RunsView(page, life);

class RunsView implements View {
  readonly title = "Runs";
  readonly root: HTMLElement;
  readonly keys = [
    ["↑ ↓ Home End", "move in the list"],
    ["Enter", "opens the run"],
    ["Space", "selects the run"],
    ["c", "compares what is selected"],
    ["/", "to the filter"],
  ] as const;
  readonly #page: Page;
  readonly #list: VirtualList<RunBrief>;
  readonly #count = element("p", { class: "count", role: "status" });
  readonly #compare = button("Compare", () => this.#openComparison(), { disabled: true });
  readonly #text = element("input", {
    type: "search",
    "aria-label": "Filter runs",
    placeholder: "Name, tag or id",
  });
  readonly #body = element("div", { class: "fills" });
  #drawing = 0;

  constructor(page: Page, life: AbortSignal) {
    this.#page = page;
    this.#list = new VirtualList<RunBrief>(
      {
        label: "Runs",
        columns: COLUMNS,
        key: ({ runId }) => runId,
        opened: ({ runId }) => page.go({ view: "run", runId }),
        selected: (runIds) => this.#selected(runIds.size),
      },
      life,
    );
    this.#text.value = filter.text;
    this.#text.addEventListener("input", () => this.#filtered({ text: this.#text.value }));
    this.root = element(
      "section",
      { class: "view tall", "aria-labelledby": "title" },
      element("h1", { id: "title" }, this.title),
      element("div", { class: "bar" }, this.#text, this.#stateField(), this.#compare, this.#count),
      this.#body,
    );
    life.addEventListener(
      "abort",
      page.runs.onChange(() => this.#showSoon()),
    );
    page.on("pipekit/runStatus", () => this.#showSoon(), life);
    const ages = setInterval(() => document.hidden || this.#list.refresh(), AGES_MS);
    life.addEventListener("abort", () => {
      clearInterval(ages);
      cancelAnimationFrame(this.#drawing);
    });
    this.#show();
  }

  pressed(key: string): boolean {
    if (key === "/") this.#text.focus();
    else if (key === "c" && !this.#compare.disabled) this.#openComparison();
    else return false;
    return true;
  }

  #stateField(): HTMLElement {
    const states = ["", "running", "completed", "failed"] as const;
    const options = states.map((state) =>
      element("option", { value: state, selected: state === filter.state }, state || "any state"),
    );
    const field = element("select", { "aria-label": "State of runs" }, ...options);
    field.addEventListener("change", () => this.#filtered({ state: field.value as RunStateName | "" }));
    return field;
  }

  #filtered(change: Partial<typeof filter>): void {
    Object.assign(filter, change);
    this.#show();
  }

  #showSoon(): void {
    this.#drawing ||= requestAnimationFrame(() => {
      this.#drawing = 0;
      this.#show();
    });
  }

  #show(): void {
    const { runs, listed } = this.#page;
    if (runs.size === 0) {
      fill(this.#body, listed ? noRuns() : waitingNotice("Looking for runs"));
      setText(this.#count, "");
      return;
    }
    const shown = runs.list(filter);
    const running = shown.reduce((sum, { state }) => sum + (state === "running" ? 1 : 0), 0);
    const of = shown.length === runs.size ? "" : ` of ${formatCount(runs.size)}`;
    setText(this.#count, `${counted(shown.length, "run")}${of}, ${formatCount(running)} running`);
    this.#list.show(shown);
    if (this.#list.root.parentElement !== this.#body) fill(this.#body, this.#list.root);
  }

  #selected(count: number): void {
    this.#compare.disabled = count < 2 || count > MAX_COMPARED;
    setText(this.#compare, count === 0 ? "Compare" : `Compare ${count}`);
    this.#compare.title = count > MAX_COMPARED ? `One chart tells at most ${MAX_COMPARED} runs apart.` : "";
  }

  #openComparison(): void {
    this.#page.go({ view: "compare", runIds: [...this.#list.selection] });
  }
}

function noRuns(): HTMLElement {
  return emptyNotice("There are no runs yet. This makes the first one:", codeSample(FIRST_RUN));
}
