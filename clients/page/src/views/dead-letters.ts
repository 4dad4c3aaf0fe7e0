/** What sinks refused for good, and the way to send it once more. */
import type { DeadLetterDocument } from "@pipekit/proto/editor";
import { ask } from "../dialogs/ask.ts";
import { button, type Child, element, fill, setText, userText } from "../dom.ts";
import { counted, formatCount, formatTime } from "../format.ts";
import { placeLink } from "../links.ts";
import { emptyNotice, failureNotice, waitingNotice } from "../notices.ts";
import type { Page, View, ViewMaker } from "../page.ts";
import { table } from "../tables.ts";

const PAGE = 200;
const TITLES = ["Run", "Sink", "Kind", "Points", "Why it was refused", "When"];

export const deadLettersView: ViewMaker<"dead-letters"> = (page, { runId }, life) =>
  new DeadLettersView(page, runId, life);

class DeadLettersView implements View {
  readonly title = "Dead letters";
  readonly root: HTMLElement;
  readonly #page: Page;
  readonly #runId: string;
  readonly #life: AbortSignal;
  readonly #told = element("p", { role: "status" });
  readonly #body = element("div", {}, waitingNotice("Looking for dead letters"));
  #letters: DeadLetterDocument[] = [];

  constructor(page: Page, runId: string, life: AbortSignal) {
    this.#page = page;
    this.#runId = runId;
    this.#life = life;
    const ofRun = runId === "" ? "of all runs" : placeLink({ view: "run", runId }, `of run ${runId}`);
    this.root = element(
      "section",
      { class: "view", "aria-labelledby": "title" },
      element("h1", { id: "title" }, this.title),
      element("p", { class: "faint" }, ofRun),
      this.#told,
      this.#body,
    );
    page.onRestart(() => void this.#read(0), life);
    void this.#read(0);
  }

  /** Reads on behind an id; from 0 anew. */
  async #read(afterId: number): Promise<void> {
    try {
      const params = { runId: this.#runId, afterId, limit: PAGE };
      const { deadLetters, more } = await this.#page.host.request("pipekit/deadLetters", params, this.#life);
      this.#letters = afterId === 0 ? [...deadLetters] : [...this.#letters, ...deadLetters];
      this.#show(more);
    } catch (thrown) {
      if (this.#life.aborted) return;
      fill(
        this.#body,
        failureNotice(thrown, () => void this.#read(0)),
      );
    }
  }

  #show(more: boolean): void {
    if (this.#letters.length === 0) {
      fill(this.#body, emptyNotice("There are no dead letters: every sink took what it was sent."));
      return;
    }
    const runIds = [...new Set(this.#letters.map(({ runId }) => runId))];
    const mayChange = this.#page.daemon?.mayChange !== false;
    const buttons = runIds.map((runId) =>
      button(`Send those of ${this.#nameOf(runId)} again …`, () => this.#ask(runId), {
        disabled: !mayChange,
      }),
    );
    const rows = this.#letters.map((letter) => this.#row(letter));
    const last = this.#letters.at(-1)?.id ?? 0;
    fill(
      this.#body,
      element("div", { class: "bar" }, ...buttons),
      table(TITLES, rows, this.title),
      more && button("Show more", () => void this.#read(last)),
    );
  }

  #row({ runId, spec, kind, points, reason, atUs }: DeadLetterDocument): Child[] {
    const run = placeLink({ view: "run", runId }, userText(this.#nameOf(runId)));
    return [run, userText(spec), kind, formatCount(points), userText(reason), formatTime(atUs)];
  }

  #nameOf(runId: string): string {
    return this.#page.runs.get(runId)?.name || runId;
  }

  #ask(runId: string): void {
    const count = this.#letters.filter((letter) => letter.runId === runId).length;
    ask({
      title: "Send them once more?",
      content: [
        element("p", {}, `At least ${counted(count, "dead letter")} of `, userText(this.#nameOf(runId)), "."),
        element(
          "p",
          { class: "faint" },
          "Mend first what the sink refused them for; else it refuses them again.",
        ),
      ],
      deed: "Send",
      act: async () => {
        const sent = await this.#page.host.request("pipekit/redrive", { runId });
        setText(
          this.#told,
          `${formatCount(sent.taken)} taken, ${formatCount(sent.refused)} refused again, ${formatCount(sent.waiting)} waiting.`,
        );
        return () => void this.#read(0);
      },
    });
  }
}
