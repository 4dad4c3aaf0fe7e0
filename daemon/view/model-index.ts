/**
 * Every model and tag of one registry, in memory. No call of the daemon tells when something in a registry moves (its
 * folder or bucket may be another host's), so it is looked at again and again while somebody uses it: the tags each time,
 * all models now and then.
 */
import { PipekitError, unlessAborted } from "@pipekit/proto";
import type { ModelBrief, TagMoveDocument } from "@pipekit/proto/editor";
import { anyOf, closed, isAway } from "./aborting.ts";
import type { Connected, Link } from "./link.ts";
import { Listeners } from "./listeners.ts";
import { type ReadRegistry, readRegistry } from "./model-reading.ts";
import { ModelTable, type Place } from "./model-table.ts";
import { Rhythm } from "./rhythm.ts";
import type { ModelIndex, Stop } from "./view.ts";

/** Between two looks at the daemon's own registry, and at one elsewhere, milliseconds. */
const OWN_MS = 1_000;
const ELSEWHERE_MS = 5_000;
/** Between two lists of all models, milliseconds. */
const LIST_MS = 5_000;

export class LiveModelIndex implements ModelIndex {
  readonly registry: string;
  readonly #link: Link;
  readonly #rhythm: Rhythm;
  readonly #table = new ModelTable();
  readonly #changed = new Listeners<readonly TagMoveDocument[]>();
  readonly #closing = new AbortController();
  readonly #stop: Stop;
  readonly #unreadable = new Set<string>();
  /** Moves made here while a look was under way that may not have seen them. */
  #own: TagMoveDocument[] = [];
  #look: Promise<void> | undefined;
  #queued: Promise<void> | undefined;
  #listedMs = Number.NEGATIVE_INFINITY;
  #listTookMs = 0;
  #stateFolder: string | undefined;
  #filled = false;
  #readAtUs = 0;

  constructor(link: Link, registry: string) {
    this.#link = link;
    this.registry = registry;
    this.#rhythm = new Rhythm({
      periodMs: registry === "" ? OWN_MS : ELSEWHERE_MS,
      isHeard: () => this.#changed.size > 0,
      look: () => this.#lookAgain(),
    });
    this.#stop = link.onStatus(() => this.#connected());
  }

  async ready(signal?: AbortSignal): Promise<void> {
    this.#rhythm.use();
    if (!this.#filled) await unlessAborted(this.#look ?? this.#begin(), signal);
  }

  get filled(): boolean {
    return this.#filled;
  }

  get readAtUs(): number {
    return this.#readAtUs;
  }

  get size(): number {
    return this.#table.size;
  }

  tags(): readonly TagMoveDocument[] {
    this.#rhythm.use();
    return this.#table.tags();
  }

  tag(name: string): TagMoveDocument | undefined {
    this.#rhythm.use();
    return this.#table.tag(name);
  }

  model(hash: string): ModelBrief | undefined {
    this.#rhythm.use();
    return this.#table.model(hash);
  }

  find(text: string, limit: number): readonly ModelBrief[] {
    this.#rhythm.use();
    return this.#table.find(text, limit);
  }

  /** As `find`, of those behind `after`, with the number of all that fit. */
  select(text: string, limit: number, after?: Place): { models: readonly ModelBrief[]; total: number } {
    this.#rhythm.use();
    return this.#table.select(text, limit, after);
  }

  async refresh(signal?: AbortSignal): Promise<void> {
    this.#rhythm.use();
    await unlessAborted(this.#anew(), signal);
  }

  /**
   * Resolves when what is here is no older than while it is in use; reads it where nobody has asked for a time. While
   * the daemon or the registry's server is away, what was read stands. Throws what `ready` throws.
   */
  async fresh(signal?: AbortSignal): Promise<void> {
    await this.ready(signal);
    if (!this.#rhythm.isStale) return;
    await unlessAborted(this.#look ?? this.#begin(), signal).catch((error: unknown) => {
      const passes = error instanceof PipekitError && error.code === "REGISTRY_UNAVAILABLE";
      if (!passes && !isAway(error)) throw error;
    });
  }

  /** Takes a move that was made here, before the next look finds it. */
  made(move: TagMoveDocument): void {
    if (this.#look !== undefined) this.#own.push(move);
    if (this.#filled) this.#apply([move]);
    this.#anew().catch(() => undefined);
  }

  /** Nobody uses it any more. */
  get isIdle(): boolean {
    return this.#rhythm.isIdle;
  }

  onChange(changed: (moves: readonly TagMoveDocument[]) => void): Stop {
    return this.#changed.add(changed);
  }

  close(): void {
    this.#closing.abort(closed());
    this.#rhythm.close();
    this.#stop();
    this.#changed.clear();
  }

  /** Much may have moved while the daemon was away. */
  #connected(): void {
    const { live } = this.#link;
    if (live === undefined || !this.#rhythm.wasUsed) return;
    this.#checkFolder(live.client.daemon.stateFolder);
    this.#anew(live).catch(() => undefined);
  }

  /** In the background: by that nobody has a daemon started. */
  #lookAgain(): void {
    const { live } = this.#link;
    if (live !== undefined && this.#look === undefined) this.#begin(live).catch(() => undefined);
  }

  /** A look that begins after the call, at all models; without `live`, on a connection that is made if need be. */
  #anew(live?: Connected): Promise<void> {
    const whole = () => {
      this.#listedMs = Number.NEGATIVE_INFINITY;
      return this.#look ?? this.#begin(live);
    };
    if (this.#look === undefined) return whole();
    this.#queued ??= this.#look
      .catch(() => undefined)
      .then(whole)
      .finally(() => {
        this.#queued = undefined;
      });
    return this.#queued;
  }

  #begin(live?: Connected): Promise<void> {
    const look = this.#read(live).finally(() => {
      this.#look = undefined;
      this.#own = [];
    });
    // Who waits hears of it; a look in the background is made again.
    look.catch(() => undefined);
    this.#look = look;
    return look;
  }

  async #read(live: Connected | undefined): Promise<void> {
    const { client, lost } = live ?? (await this.#link.connected(this.#closing.signal));
    const begun = performance.now();
    const readAtUs = Date.now() * 1000;
    this.#checkFolder(client.daemon.stateFolder);
    const whole = begun - this.#listedMs >= Math.max(LIST_MS, this.#rhythm.pauseAfter(this.#listTookMs));
    const signal = anyOf(this.#closing.signal, lost);
    const registry = client.registry(this.registry);
    const read = await readRegistry(registry, this.#table, { whole, unreadable: this.#unreadable, signal });
    this.#take(read);
    this.#rhythm.looked(performance.now() - begun - read.listMs);
    if (read.all) {
      this.#listedMs = begun;
      this.#listTookMs = read.listMs;
    }
    this.#readAtUs = readAtUs;
  }

  #take({ tags, deletions, models, all }: ReadRegistry): void {
    const first = !this.#filled;
    const moved = [...this.#table.setTags(tags), ...deletions];
    const changed = this.#table.putModels(models, all) || moved.length > 0;
    if (changed) this.#table.settle();
    this.#filled = true;
    if (first || changed) this.#changed.tell(first ? [] : moved);
    this.#apply(this.#own);
  }

  /** Takes moves that are newer than what is here. */
  #apply(moves: readonly TagMoveDocument[]): void {
    const newer = moves.filter(({ name, seq }) => seq > (this.#table.tag(name)?.seq ?? 0));
    if (newer.length === 0) return;
    const names = new Set(newer.map(({ name }) => name));
    const others = this.#table.tags().filter(({ name }) => !names.has(name));
    const tags = [...others, ...newer].filter(({ hash }) => hash !== "");
    this.#table.setTags(tags.sort((a, b) => (a.name < b.name ? -1 : 1)));
    this.#table.settle();
    this.#changed.tell(newer);
  }

  /** The daemon's own registry lies in its state folder: that of another one has other models. */
  #checkFolder(stateFolder: string): void {
    if (this.registry === "" && this.#stateFolder !== undefined && this.#stateFolder !== stateFolder) {
      this.#table.clear();
      this.#unreadable.clear();
      this.#filled = false;
      this.#listedMs = Number.NEGATIVE_INFINITY;
    }
    this.#stateFolder = stateFolder;
  }
}
