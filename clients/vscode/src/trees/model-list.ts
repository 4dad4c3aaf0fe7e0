/** The tags and models that the tree shows, kept up to date with the registry of the settings. */
import type { ModelBrief, TagMoveDocument } from "@pipekit/proto/editor";
import type { Ask } from "../ask.ts";

const PAGE = 100;

export class ModelList {
  readonly #ask: Ask;
  readonly #registry: () => string;
  readonly #changed: () => void;
  #models: readonly ModelBrief[] = [];
  #tags: readonly TagMoveDocument[] = [];
  #nextPageToken = "";
  #question = 0;
  /** Begin of a hash, or part of a tag or operator; empty for all. */
  filter = "";
  total = 0;
  filled = false;

  constructor(ask: Ask, registry: () => string, changed: () => void) {
    this.#ask = ask;
    this.#registry = registry;
    this.#changed = changed;
  }

  /** Spec of the registry; empty for the daemon's own. */
  get registry(): string {
    return this.#registry();
  }

  get models(): readonly ModelBrief[] {
    return this.#models;
  }

  /** By name. */
  get tags(): readonly TagMoveDocument[] {
    const wanted = this.filter.toLowerCase();
    return this.#tags.filter(
      ({ name, hash }) => name.toLowerCase().includes(wanted) || hash.startsWith(wanted),
    );
  }

  /** Every tag, filter or not. */
  get allTags(): readonly TagMoveDocument[] {
    return this.#tags;
  }

  get more(): boolean {
    return this.#nextPageToken !== "";
  }

  /** Throws what the request throws. */
  async refresh(): Promise<void> {
    const question = ++this.#question;
    const { registry } = this;
    const limit = Math.min(1000, Math.max(PAGE, this.#models.length));
    const [models, tags] = await Promise.all([
      this.#ask("pipekit/models", { registry, contains: this.filter, limit }),
      this.#ask("pipekit/tags", { registry }),
    ]);
    if (question !== this.#question) return;
    const known = this.filled ? this.#told() : "";
    this.#models = models.models;
    this.#nextPageToken = models.nextPageToken;
    this.total = models.total;
    this.#tags = tags.tags
      .filter(({ hash }) => hash !== "")
      .sort((one, other) => (one.name < other.name ? -1 : 1));
    this.filled = true;
    // Asked every few seconds: rows that are the same stay untouched.
    if (known !== this.#told()) this.#changed();
  }

  /** Throws what the request throws. */
  async loadMore(): Promise<void> {
    if (!this.more) return;
    const question = ++this.#question;
    const page = await this.#ask("pipekit/models", {
      registry: this.registry,
      contains: this.filter,
      limit: PAGE,
      pageToken: this.#nextPageToken,
    });
    if (question !== this.#question) return;
    this.#models = [...this.#models, ...page.models];
    this.#nextPageToken = page.nextPageToken;
    this.#changed();
  }

  /** The moves of a tag, newest first. Throws what the request throws. */
  async history(name: string): Promise<readonly TagMoveDocument[]> {
    const { moves } = await this.#ask("pipekit/tagHistory", { registry: this.registry, name, limit: PAGE });
    return moves;
  }

  /** What rows are made of. */
  #told(): string {
    return JSON.stringify([this.filter, this.total, this.#models, this.#tags]);
  }
}
