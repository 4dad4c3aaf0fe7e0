import type { SyncResponse } from "@pipekit/proto";
import type { Journal, ReadSinkEntry, RunEntry } from "../journal/index.ts";

/** Counts of a Sync, without what concerns the stream. */
export type SyncCounts = Pick<
  SyncResponse,
  "runs" | "runsDelivered" | "points" | "pointsPending" | "pointsDead"
>;

interface Watched {
  /** Everything up to here is waited for; undefined when the run's end is. */
  readonly until: number | undefined;
  points: number;
  hasEnded: boolean;
  /** Sinks that have all, and those that nothing more is to be expected of. */
  isDelivered: boolean;
  isSettled: boolean;
  pending: number;
  dead: number;
}

/** How far the chosen sinks of the chosen runs have come. Looks only at what changed. */
export class SyncProgress {
  readonly #journal: Pick<Journal, "run" | "sinksOf">;
  readonly #concerns: (spec: string) => boolean;
  readonly #follow: boolean;
  readonly #runs = new Map<string, Watched>();
  readonly #noted = new Set<string>();
  #notes: string[] = [];

  /**
   * `concerns` says which sinks count. With `follow` a run is settled when it has ended and its sinks are done; else
   * when they have what was journaled when it was added.
   */
  constructor(
    journal: Pick<Journal, "run" | "sinksOf">,
    concerns: (spec: string) => boolean,
    follow: boolean,
  ) {
    this.#journal = journal;
    this.#concerns = concerns;
    this.#follow = follow;
  }

  has(runId: string): boolean {
    return this.#runs.has(runId);
  }

  /** Begins to watch runs, as they are now; those that are watched already get what is journaled now as their mark. */
  async add(runs: readonly RunEntry[]): Promise<void> {
    for (const run of runs) {
      const isRunning = run.state === "running";
      this.#runs.set(run.runId, {
        until: isRunning && !this.#follow ? run.lastPosition : undefined,
        points: run.points,
        hasEnded: !isRunning,
        isDelivered: false,
        isSettled: false,
        pending: 0,
        dead: 0,
      });
    }
    const sinks = await this.#journal.sinksOf(runs.map(({ runId }) => runId));
    for (const run of runs) this.#look(run, sinks.get(run.runId) ?? []);
  }

  /** Looks again at runs that changed. */
  async refresh(runIds: readonly string[]): Promise<void> {
    const known = runIds.filter((id) => this.#runs.has(id));
    if (known.length === 0) return;
    const sinks = await this.#journal.sinksOf(known);
    for (const id of known) this.#look(await this.#journal.run(id), sinks.get(id) ?? []);
  }

  /** Adds a sentence for a person, once. */
  note(text: string): void {
    if (this.#noted.has(text)) return;
    this.#noted.add(text);
    this.#notes.push(text);
  }

  takeNotes(): string[] {
    const notes = this.#notes;
    this.#notes = [];
    return notes;
  }

  get hasNotes(): boolean {
    return this.#notes.length > 0;
  }

  /** Whether nothing more is to be waited for. */
  get isSettled(): boolean {
    for (const { isSettled } of this.#runs.values()) if (!isSettled) return false;
    return true;
  }

  /** Runs that have not ended. */
  get running(): number {
    let count = 0;
    for (const { hasEnded } of this.#runs.values()) if (!hasEnded) count++;
    return count;
  }

  counts(): SyncCounts {
    const counts = { runs: this.#runs.size, runsDelivered: 0, points: 0, pointsPending: 0, pointsDead: 0 };
    for (const run of this.#runs.values()) {
      if (run.isDelivered) counts.runsDelivered++;
      counts.points += run.points;
      counts.pointsPending += run.pending;
      counts.pointsDead += run.dead;
    }
    return counts;
  }

  #look(run: RunEntry, sinks: readonly ReadSinkEntry[]): void {
    const watched = this.#runs.get(run.runId);
    if (watched === undefined) return;
    const chosen = sinks.filter(({ spec }) => this.#concerns(spec));
    watched.hasEnded = run.state !== "running";
    watched.points = run.points * chosen.length;
    watched.pending = chosen.reduce((sum, sink) => sum + pendingOf(run, sink), 0);
    watched.dead = chosen.reduce((sum, { pointsDead }) => sum + pointsDead, 0);
    const { until } = watched;
    const hasAll = (sink: ReadSinkEntry) =>
      sink.state === "done" || (until !== undefined && sink.cursor.position >= until);
    const mayEnd = watched.hasEnded || until !== undefined;
    watched.isDelivered = mayEnd && chosen.every(hasAll);
    watched.isSettled = mayEnd && chosen.every((sink) => sink.state === "refused" || hasAll(sink));
    for (const { spec, state, lastError } of chosen) {
      if (state === "refused") this.note(`${spec} refuses run ${run.runId}: ${lastError}`);
    }
  }
}

function pendingOf(run: RunEntry, { pointsSent, pointsDead }: ReadSinkEntry): number {
  return Math.max(0, run.points - pointsSent - pointsDead);
}
