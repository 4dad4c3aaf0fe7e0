/** All models of a registry, newest first. */
import type { ModelBrief } from "@pipekit/proto/editor";
import { element, fill, setText, userText } from "../dom.ts";
import { counted, formatAge, formatBytes, formatCount, formatTime, nowUs, shortHash } from "../format.ts";
import { placeLink } from "../links.ts";
import type { Column } from "../lists/grid-parts.ts";
import { VirtualList } from "../lists/virtual-list.ts";
import { codeSample, emptyNotice, failureNotice, waitingNotice } from "../notices.ts";
import { Paced } from "../paced.ts";
import type { Page, View, ViewMaker } from "../page.ts";

const PAGE = 1000;
const FIRST_MODEL = `registry = pe.LocalModelRegistry()
digest = registry.store(operator)
registry.tag(digest, "candidate")`;

export const modelsView: ViewMaker<"models"> = (page, { registry }, life) =>
  new ModelsView(page, registry, life);

class ModelsView implements View {
  readonly title = "Models";
  readonly root: HTMLElement;
  readonly keys = [
    ["↑ ↓ Home End", "move in the list"],
    ["Enter", "opens the model"],
    ["/", "to the filter"],
  ] as const;
  readonly #page: Page;
  readonly #registry: string;
  readonly #life: AbortSignal;
  readonly #list: VirtualList<ModelBrief>;
  readonly #look: Paced;
  readonly #failure = element("div", {});
  readonly #body = element("div", { class: "fills" }, waitingNotice("Looking for models"));
  readonly #count = element("p", { class: "count", role: "status" });
  readonly #text = element("input", {
    type: "search",
    "aria-label": "Filter models",
    placeholder: "Operator, tag or hash",
    oninput: () => this.#show(),
  });
  #models: readonly ModelBrief[] | undefined;

  constructor(page: Page, registry: string, life: AbortSignal) {
    this.#page = page;
    this.#registry = registry;
    this.#life = life;
    this.#list = new VirtualList<ModelBrief>(
      {
        label: "Models",
        columns: columns(registry),
        key: ({ hash }) => hash,
        opened: ({ hash }) => page.go({ view: "model", ref: hash, registry }),
      },
      life,
    );
    const where =
      registry === "" ? undefined : element("p", { class: "faint" }, "Registry ", userText(registry));
    this.root = element(
      "section",
      { class: "view tall", "aria-labelledby": "title" },
      element("h1", { id: "title" }, this.title),
      where,
      element("div", { class: "bar" }, this.#text, this.#count),
      this.#failure,
      this.#body,
    );
    this.#look = new Paced(() => this.#read(), life);
    page.on("pipekit/tagMoved", () => this.#look.soon(), life);
    page.on("pipekit/daemonStatus", ({ state }) => state === "connected" && this.#look.soon(), life);
    page.onRestart(() => this.#look.soon(), life);
    this.#look.soon();
  }

  pressed(key: string): boolean {
    if (key !== "/") return false;
    this.#text.focus();
    return true;
  }

  async #read(): Promise<void> {
    try {
      const models: ModelBrief[] = [];
      let pageToken = "";
      do {
        const params = { registry: this.#registry, limit: PAGE, pageToken };
        const answer = await this.#page.host.request("pipekit/models", params, this.#life);
        models.push(...answer.models);
        pageToken = answer.nextPageToken;
      } while (pageToken !== "");
      this.#models = models;
      fill(this.#failure);
      this.#show();
    } catch (thrown) {
      if (this.#life.aborted) return;
      fill(
        this.#failure,
        failureNotice(thrown, () => this.#look.soon()),
      );
      if (this.#models === undefined) fill(this.#body);
    }
  }

  #show(): void {
    const models = this.#models;
    if (models === undefined) return;
    const wanted = this.#text.value.toLowerCase();
    const shown = models.filter((model) => tells(model, wanted));
    const of = shown.length === models.length ? "" : ` of ${formatCount(models.length)}`;
    setText(this.#count, `${counted(shown.length, "model")}${of}`);
    if (models.length === 0) {
      fill(
        this.#body,
        emptyNotice("There are no models yet. This stores the first one:", codeSample(FIRST_MODEL)),
      );
      return;
    }
    this.#list.show(shown);
    if (this.#list.root.parentElement !== this.#body) fill(this.#body, this.#list.root);
  }
}

function tells({ operator, hash, tags }: ModelBrief, wanted: string): boolean {
  return [operator, ...tags].some((text) => text.toLowerCase().includes(wanted)) || hash.startsWith(wanted);
}

function columns(registry: string): readonly Column<ModelBrief>[] {
  return [
    {
      title: "Model",
      width: "9.5rem",
      cell: ({ hash }) =>
        placeLink({ view: "model", ref: hash, registry }, shortHash(hash), { tabindex: -1, class: "mono" }),
    },
    { title: "Operator", width: "minmax(9rem, 2fr)", cell: ({ operator }) => userText(operator) },
    { title: "Tags", width: "minmax(8rem, 1.5fr)", cell: ({ tags }) => tagLinks(tags, registry) },
    { title: "Size", width: "6rem", cell: weights },
    {
      title: "Made",
      width: "8.5rem",
      cell: ({ createdAtUs }) =>
        element("time", { title: formatTime(createdAtUs) }, formatAge(createdAtUs, nowUs())),
    },
  ];
}

function weights({ hasWeights, weightsSize }: ModelBrief): string {
  return hasWeights ? formatBytes(weightsSize) : "no weights";
}

/** Links to the tags of a model. */
export function tagLinks(tags: readonly string[], registry: string): HTMLElement {
  const links = tags.map((name) =>
    placeLink({ view: "tag", name, registry }, userText(name), { class: "tag" }),
  );
  return element("span", { class: "tags" }, ...links);
}
