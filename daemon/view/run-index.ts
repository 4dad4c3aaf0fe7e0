/**
 * Every run, in memory. Filled by the daemon's pages and kept by its watch, which tells of every run that changes, new ones
 * too. On each connection both are begun anew; what was known stays, unless the daemon keeps another state folder now.
 * Runs never vanish from a journal: pruning forgets their records alone.
 */

import type { Client, Run } from "@pipekit/experiment";
import { unlessAborted } from "@pipekit/proto";
import type { RunBrief } from "@pipekit/proto/editor";
import { anyOf, asPipekitError, isAway, pause } from "./aborting.ts";
import { runBrief } from "./documents/runs.ts";
import type { Connected, Link } from "./link.ts";
import { Listeners } from "./listeners.ts";
import { RunTable } from "./run-table.ts";
import type { RunIndex, Stop } from "./view.ts";

/** Before it is begun again after a failure, milliseconds. */
const RETRY_MS = 500;
/**
 * A run that starts before the daemon's watch listens and after the first page was read would be seen only at its next
 * change: the newest runs are looked at once more after this long, milliseconds.
 */
const SECOND_LOOK_MS = 1_000;
/** So many of them. */
const SECOND_LOOK = 100;

export class LiveRunIndex implements RunIndex {
  readonly #link: Link;
  readonly #closing = new AbortController();
  readonly #table = new RunTable();
  readonly #changed = new Listeners<readonly RunBrief[]>();
  readonly #fills = new Listeners<void>();
  #filling = Promise.withResolvers<void>();
  #filled = false;
  #begun = false;
  #stateFolder: string | undefined;

  constructor(link: Link) {
    this.#link = link;
  }

  async ready(signal?: AbortSignal): Promise<void> {
    if (!this.#begun) void this.#keep();
    if (this.#filled) return;
    const { lost } = await this.#link.connected(signal);
    await unlessAborted(this.#filling.promise, anyOf(signal, lost, this.#closing.signal));
  }

  get size(): number {
    return this.#table.size;
  }

  get(runId: string): RunBrief | undefined {
    return this.#table.get(runId);
  }

  find(text: string, limit: number): readonly RunBrief[] {
    return this.#table.find(text, limit);
  }

  named(name: string, limit: number): readonly RunBrief[] {
    return this.#table.select((run) => run.name === name, limit).runs;
  }

  /** The newest runs that fit, of those older than `before`, and how many fit in all. */
  select(fits: (run: RunBrief) => boolean, limit: number, before = ""): { runs: RunBrief[]; total: number } {
    return this.#table.select(fits, limit, before);
  }

  onChange(changed: (runs: readonly RunBrief[]) => void): Stop {
    return this.#changed.add(changed);
  }

  /** Tells that it has been filled: for the first time, or anew after the daemon was found to keep other runs. */
  onFill(filled: () => void): Stop {
    return this.#fills.add(filled);
  }

  get filled(): boolean {
    return this.#filled;
  }

  close(): void {
    this.#closing.abort();
    this.#changed.clear();
    this.#fills.clear();
  }

  async #keep(): Promise<void> {
    this.#begun = true;
    const closing = this.#closing.signal;
    while (!closing.aborted) {
      const connected = await this.#link.next(closing).catch(() => undefined);
      if (connected === undefined) return;
      try {
        await this.#follow(connected, anyOf(closing, connected.lost));
      } catch (error) {
        if (closing.aborted) return;
        if (!connected.lost.aborted && !isAway(error)) this.#fault(error);
        await pause(connected.lost.aborted ? 0 : RETRY_MS, closing);
      }
    }
  }

  /** Whoever waits hears of a failure that is not the daemon's going. */
  #fault(error: unknown): void {
    const { promise, reject } = this.#filling;
    if (this.#filled) return;
    this.#filling = Promise.withResolvers();
    promise.catch(() => undefined);
    reject(asPipekitError(error));
  }

  async #follow({ client }: Connected, lost: AbortSignal): Promise<void> {
    const { stateFolder } = client.daemon;
    if (this.#stateFolder !== undefined && this.#stateFolder !== stateFolder) this.#forget();
    this.#stateFolder = stateFolder;
    const failed = new AbortController();
    const signal = anyOf(lost, failed.signal);
    // Newer than any page of the filling that still comes.
    const told = new Set<string>();
    const watching = this.#watch(client, told, signal);
    const filling = this.#fill(client, told, signal);
    try {
      await Promise.all([watching, filling]);
    } finally {
      failed.abort();
      await Promise.allSettled([watching, filling]);
    }
  }

  async #watch(client: Client, told: Set<string>, signal: AbortSignal): Promise<void> {
    for await (const run of client.watchRuns([], { signal })) {
      told.add(run.runId);
      this.#take([run]);
    }
  }

  async #fill(client: Client, told: Set<string>, signal: AbortSignal): Promise<void> {
    await this.#list(client, told, signal);
    if (!this.#filled) {
      this.#filled = true;
      this.#filling.resolve();
      this.#fills.tell();
    }
    await pause(SECOND_LOOK_MS, signal);
    signal.throwIfAborted();
    await this.#list(client, told, signal, SECOND_LOOK);
  }

  async #list(client: Client, told: Set<string>, signal: AbortSignal, most = Number.POSITIVE_INFINITY) {
    let batch: Run[] = [];
    let left = most;
    for await (const run of client.listRuns({ signal })) {
      if (!told.has(run.runId)) batch.push(run);
      if (--left <= 0) break;
      if (batch.length < 100) continue;
      this.#take(batch);
      batch = [];
    }
    this.#take(batch.filter(({ runId }) => !told.has(runId)));
  }

  #take(runs: readonly Run[]): void {
    const changed = this.#table.put(runs.map(runBrief));
    if (changed.length > 0) this.#changed.tell(changed);
  }

  #forget(): void {
    this.#table.clear();
    this.#filled = false;
    this.#filling = Promise.withResolvers();
  }
}
