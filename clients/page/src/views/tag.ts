/** One tag: where it points, and who moved it when and why. */
import type { TagMoveDocument } from "@pipekit/proto/editor";
import { askPromotion, askRollback } from "../dialogs/tag-moves.ts";
import { button, type Child, element, fill, userText } from "../dom.ts";
import { formatAge, formatTime, nowUs, shortHash } from "../format.ts";
import { placeLink } from "../links.ts";
import { emptyNotice, failureNotice, waitingNotice } from "../notices.ts";
import { Paced } from "../paced.ts";
import type { Page, View, ViewMaker } from "../page.ts";
import { modelBefore } from "../rollback.ts";
import { facts, table } from "../tables.ts";

const PAGE = 200;

export const tagView: ViewMaker<"tag"> = (page, { name, registry }, life) =>
  new TagView(page, name, registry, life);

class TagView implements View {
  readonly title: string;
  readonly root: HTMLElement;
  readonly #page: Page;
  readonly #name: string;
  readonly #registry: string;
  readonly #life: AbortSignal;
  readonly #body = element("div", {}, waitingNotice("Reading the history"));
  readonly #look: Paced;
  #moves: readonly TagMoveDocument[] | undefined;
  /** How much of the history the person wants to see. */
  #wanted = PAGE;

  constructor(page: Page, name: string, registry: string, life: AbortSignal) {
    this.#page = page;
    this.#name = name;
    this.#registry = registry;
    this.#life = life;
    this.title = `Tag ${name}`;
    this.root = element(
      "section",
      { class: "view", "aria-labelledby": "title" },
      element("h1", { id: "title" }, "Tag ", userText(name)),
      this.#body,
    );
    this.#look = new Paced(() => this.#read(), life);
    const concerned = (moves: readonly TagMoveDocument[]) => moves.some((move) => move.name === name);
    page.on("pipekit/tagMoved", ({ moves }) => concerned(moves) && this.#look.soon(), life);
    page.on("pipekit/daemonStatus", ({ state }) => state === "connected" && this.#look.soon(), life);
    page.onRestart(() => this.#look.soon(), life);
    this.#look.soon();
  }

  async #read(): Promise<void> {
    try {
      const moves: TagMoveDocument[] = [];
      let pageToken = "";
      do {
        const params = { registry: this.#registry, name: this.#name, limit: PAGE, pageToken };
        const answer = await this.#page.host.request("pipekit/tagHistory", params, this.#life);
        moves.push(...answer.moves);
        pageToken = answer.nextPageToken;
      } while (pageToken !== "" && moves.length < this.#wanted);
      if (JSON.stringify(moves) === JSON.stringify(this.#moves)) return;
      this.#moves = moves;
      this.#show(moves, pageToken !== "");
    } catch (thrown) {
      if (this.#life.aborted || this.#moves !== undefined) return;
      fill(
        this.#body,
        failureNotice(thrown, () => this.#look.soon()),
      );
    }
  }

  #show(moves: readonly TagMoveDocument[], more: boolean): void {
    const [last] = moves;
    const mayChange = this.#page.daemon?.mayChange !== false;
    const promote = button(
      "Promote another model …",
      () => askPromotion(this.#page, this.#registry, { tag: this.#name }),
      { disabled: !mayChange },
    );
    if (last === undefined) {
      fill(this.#body, emptyNotice("This tag was never set."), element("div", { class: "bar" }, promote));
      return;
    }
    const to = modelBefore(moves);
    const back = button("Roll back …", () => void this.#rollBack(last.hash, to ?? ""), {
      disabled: !mayChange || to === undefined,
    });
    fill(
      this.#body,
      facts(
        ["Points to", last.hash === "" ? "nothing: it was deleted" : this.#model(last.hash)],
        ["Since", `${formatTime(last.atUs)}, ${formatAge(last.atUs, nowUs())}`],
        ["Moved by", userText(last.actor)],
      ),
      element("div", { class: "bar" }, promote, back),
      element("h2", {}, "History"),
      table(
        ["When", "Who", "Principal", "From", "To", "Why"],
        moves.map((move) => this.#row(move)),
        "History",
      ),
      more && button("Show earlier moves", () => this.#showMore()),
    );
  }

  #row(move: TagMoveDocument): Child[] {
    return [
      formatTime(move.atUs),
      userText(move.actor),
      userText(move.principal ?? ""),
      move.previousHash === "" ? "–" : this.#model(move.previousHash),
      move.hash === "" ? "deleted" : this.#model(move.hash),
      userText(move.reason),
    ];
  }

  #model(hash: string): HTMLElement {
    const link = placeLink({ view: "model", ref: hash, registry: this.#registry }, shortHash(hash));
    link.className = "mono";
    return link;
  }

  #rollBack(from: string, to: string): Promise<void> {
    return askRollback(this.#page, { registry: this.#registry, tag: this.#name, from, to });
  }

  #showMore(): void {
    this.#wanted += PAGE;
    this.#look.soon();
  }
}
