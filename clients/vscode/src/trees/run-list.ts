/** The runs that the tree and the status bar show: some pages of the newest, and all that run, kept up to date. */
import type { EditorNotifications, RunBrief } from "@pipekit/proto/editor";
import type { Ask } from "../ask.ts";

const PAGE = 100;

export class RunList {
  readonly #ask: Ask;
  readonly #changed: () => void;
  readonly #runs = new Map<string, RunBrief>();
  /** How many of the newest are shown besides those that run. */
  #shown = PAGE;
  #nextPageToken = "";
  /** Counts questions: the answer to an old one is dropped. */
  #question = 0;
  /** Part of a name; empty for all. */
  filter = "";
  /** Whether a first page has come. */
  filled = false;

  constructor(ask: Ask, changed: () => void) {
    this.#ask = ask;
    this.#changed = changed;
  }

  get(runId: string): RunBrief | undefined {
    return this.#runs.get(runId);
  }

  /** Those that run, newest first. */
  running(): readonly RunBrief[] {
    return [...this.#runs.values()].filter((run) => run.state === "running").sort(newestFirst);
  }

  /** Those that run, and then the newest. */
  shown(): readonly RunBrief[] {
    const wanted = this.filter.toLowerCase();
    const matching = [...this.#runs.values()]
      .filter((run) => run.name.toLowerCase().includes(wanted))
      .sort(newestFirst);
    const running = matching.filter((run) => run.state === "running");
    return [...running, ...matching.filter((run) => run.state !== "running").slice(0, this.#shown)];
  }

  /** Whether there are more than are shown. */
  get more(): boolean {
    return this.#nextPageToken !== "" || this.#runs.size > this.shown().length;
  }

  /** Asks anew for as many as were shown. Throws what the request throws. */
  async refresh(): Promise<void> {
    const question = ++this.#question;
    const nameContains = this.filter;
    const [newest, running] = await Promise.all([
      this.#ask("pipekit/runs", { nameContains, limit: Math.min(1000, this.#shown) }),
      this.#ask("pipekit/runs", { state: "running", limit: 1000 }),
    ]);
    if (question !== this.#question) return;
    this.#runs.clear();
    for (const run of [...newest.runs, ...running.runs]) this.#runs.set(run.runId, run);
    this.#nextPageToken = newest.nextPageToken;
    this.filled = true;
    this.#changed();
  }

  /** Shows another page. Throws what the request throws. */
  async loadMore(): Promise<void> {
    const question = ++this.#question;
    const pageToken = this.#nextPageToken;
    if (pageToken !== "") {
      const page = await this.#ask("pipekit/runs", { nameContains: this.filter, limit: PAGE, pageToken });
      if (question !== this.#question) return;
      for (const run of page.runs) this.#runs.set(run.runId, run);
      this.#nextPageToken = page.nextPageToken;
    }
    this.#shown += PAGE;
    this.#changed();
  }

  take({ runs }: EditorNotifications["pipekit/runStatus"]): void {
    for (const run of runs) this.#runs.set(run.runId, run);
    if (runs.length > 0) this.#changed();
  }
}

/** Run ids sort by time. */
function newestFirst(one: RunBrief, other: RunBrief): number {
  return one.runId < other.runId ? 1 : -1;
}
