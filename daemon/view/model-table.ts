import type { Model } from "@pipekit/experiment";
import type { ModelBrief, TagMoveDocument } from "@pipekit/proto/editor";
import { modelBrief } from "./documents/models.ts";

/** Shorter ones are no refs. */
const PREFIX_MIN = 8;

/** Where a model stands in the order. */
export type Place = Pick<ModelBrief, "createdAtUs" | "hash">;

/** A model with what is searched in, in lower case. */
interface Row {
  readonly brief: ModelBrief;
  readonly searched: string;
}

/** Models in order, newest first, and the names that lead to them. */
export class ModelTable {
  readonly #rows = new Map<string, Row>();
  readonly #tags = new Map<string, TagMoveDocument>();
  #order: Row[] = [];

  get size(): number {
    return this.#rows.size;
  }

  has(hash: string): boolean {
    return this.#rows.has(hash);
  }

  tags(): TagMoveDocument[] {
    return [...this.#tags.values()];
  }

  tag(name: string): TagMoveDocument | undefined {
    return this.#tags.get(name);
  }

  model(hash: string): ModelBrief | undefined {
    const exact = this.#rows.get(hash);
    if (exact !== undefined || hash.length < PREFIX_MIN) return exact?.brief;
    const fitting = this.#order.filter(({ brief }) => brief.hash.startsWith(hash));
    return fitting.length === 1 ? fitting[0]?.brief : undefined;
  }

  find(text: string, limit: number): ModelBrief[] {
    return this.select(text, limit).models;
  }

  /** The newest models that fit, of those behind `after` when it is given, and how many fit in all. */
  select(text: string, limit: number, after?: Place): { models: ModelBrief[]; total: number } {
    const wanted = text.toLowerCase();
    const models: ModelBrief[] = [];
    let total = 0;
    for (const { brief, searched } of this.#order) {
      if (!brief.hash.startsWith(wanted) && !searched.includes(wanted)) continue;
      total += 1;
      if (models.length < limit && (after === undefined || newerFirst(after, brief) < 0)) models.push(brief);
    }
    return { models, total };
  }

  /** Sets the tags; returns the moves of those that are new or have moved. A tag that is missing is gone. */
  setTags(moves: readonly TagMoveDocument[]): TagMoveDocument[] {
    const moved = moves.filter((move) => !isSame(this.#tags.get(move.name), move));
    this.#tags.clear();
    // In byte order, as the daemon lists them.
    for (const move of moves) this.#tags.set(move.name, move);
    return moved;
  }

  /** Puts models in; of `all`, those that are missing are gone. True when something has changed. */
  putModels(models: readonly Model[], all: boolean): boolean {
    const hashes = new Set(models.map(({ hash }) => hash));
    const gone = all ? [...this.#rows.keys()].filter((hash) => !hashes.has(hash)) : [];
    for (const hash of gone) this.#rows.delete(hash);
    const added = models.filter(({ hash }) => !this.#rows.has(hash));
    for (const model of added) this.#rows.set(model.hash, rowOf(modelBrief(model, [])));
    return gone.length + added.length > 0;
  }

  /** To be called after tags or models were changed: each model shows the names that lead to it. */
  settle(): void {
    const names = new Map<string, string[]>();
    for (const { name, hash } of this.#tags.values()) names.set(hash, [...(names.get(hash) ?? []), name]);
    for (const [hash, { brief }] of this.#rows) {
      const tags = (names.get(hash) ?? []).sort();
      if (tags.join("\n") !== brief.tags.join("\n")) this.#rows.set(hash, rowOf({ ...brief, tags }));
    }
    this.#order = [...this.#rows.values()].sort((a, b) => newerFirst(a.brief, b.brief));
  }

  clear(): void {
    this.#rows.clear();
    this.#tags.clear();
    this.#order = [];
  }
}

function rowOf(brief: ModelBrief): Row {
  return { brief, searched: [brief.operator, ...brief.tags].join("\n").toLowerCase() };
}

function newerFirst(a: Place, b: Place): number {
  return b.createdAtUs - a.createdAtUs || (a.hash < b.hash ? -1 : Number(a.hash > b.hash));
}

function isSame(a: TagMoveDocument | undefined, b: TagMoveDocument): boolean {
  return a !== undefined && a.seq === b.seq && a.hash === b.hash && a.atUs === b.atUs;
}
