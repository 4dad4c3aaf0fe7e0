/** The runs that the page knows: listed once, then kept up to date by what is told. */
import type { RunBrief, RunStateName } from "@pipekit/proto/editor";

export interface RunFilter {
  /** In the name, the tags or at the start of the id, in any case; every word must be found. */
  readonly text: string;
  readonly state: RunStateName | "";
}

export class KnownRuns {
  readonly #byId = new Map<string, RunBrief>();
  #newestFirst: readonly RunBrief[] | undefined;
  /** The ids that were taken since `lookAnew`. */
  #seen: Set<string> | undefined;
  readonly #listeners = new Set<(changed: readonly RunBrief[]) => void>();

  get size(): number {
    return this.#byId.size;
  }

  get(runId: string): RunBrief | undefined {
    return this.#byId.get(runId);
  }

  /** Takes runs in, new or changed. */
  take(runs: readonly RunBrief[]): void {
    for (const run of runs) {
      const headline = run.headline ?? this.#byId.get(run.runId)?.headline;
      this.#byId.set(run.runId, headline === undefined ? run : { ...run, headline });
      this.#seen?.add(run.runId);
    }
    this.#tell(runs);
  }

  /** From here on what is taken is all there is; `forgetUnseen` forgets the rest, so that a list never shrinks and grows back. */
  lookAnew(): void {
    this.#seen = new Set();
  }

  forgetUnseen(): void {
    const seen = this.#seen;
    this.#seen = undefined;
    if (seen === undefined) return;
    for (const runId of this.#byId.keys()) if (!seen.has(runId)) this.#byId.delete(runId);
    this.#tell([]);
  }

  onChange(listener: (changed: readonly RunBrief[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Newest first. */
  list(filter: RunFilter = { text: "", state: "" }): readonly RunBrief[] {
    this.#newestFirst ??= [...this.#byId.values()].sort(newestFirst);
    const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0 && filter.state === "") return this.#newestFirst;
    return this.#newestFirst.filter(
      (run) => (filter.state === "" || run.state === filter.state) && words.every((word) => tells(run, word)),
    );
  }

  #tell(changed: readonly RunBrief[]): void {
    this.#newestFirst = undefined;
    for (const listener of this.#listeners) listener(changed);
  }
}

function newestFirst(a: RunBrief, b: RunBrief): number {
  return b.startedAtUs - a.startedAtUs || (a.runId < b.runId ? 1 : -1);
}

function tells(run: RunBrief, word: string): boolean {
  return (
    run.name.toLowerCase().includes(word) ||
    run.runId.toLowerCase().startsWith(word) ||
    Object.entries(run.tags).some(([name, value]) => `${name}=${value}`.toLowerCase().includes(word))
  );
}
