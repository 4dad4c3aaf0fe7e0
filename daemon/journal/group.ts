import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type SeriesSums, STATS_PER_KEY } from "./messages.ts";

interface RunDelta {
  points: number;
  bytes: number;
  lastPosition: number;
  readonly series: Map<string, Float64Array>;
}

/**
 * What the frames of one commit add to sums: each row is written once a commit, however many frames the group holds.
 */
export class GroupSums {
  readonly #runs = new Map<number, RunDelta>();
  #frames = 0;
  #points = 0;
  #started = 0;
  #ended = 0;
  #resumed = 0;
  #deadLetters = 0;
  readonly #addRun: StatementSync;
  readonly #addSeries: StatementSync;
  readonly #addTotals: StatementSync;

  constructor(db: DatabaseSync) {
    this.#addRun = db.prepare(
      "UPDATE runs SET points = points + ?, bytes = bytes + ?, last_position = ? WHERE number = ?",
    );
    this.#addSeries = db.prepare(`
      INSERT INTO series VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
        points = points + excluded.points, last_step = excluded.last_step, last_value = excluded.last_value,
        min_value = min(ifnull(min_value, excluded.min_value), ifnull(excluded.min_value, min_value)),
        max_value = max(ifnull(max_value, excluded.max_value), ifnull(excluded.max_value, max_value))`);
    this.#addTotals = db.prepare(`
      UPDATE totals SET frames = frames + ?, points = points + ?, runs = runs + ?,
        runs_running = runs_running + ?, dead_letters = dead_letters + ?`);
  }

  runStarted(): void {
    this.#started++;
  }

  runEnded(): void {
    this.#ended++;
  }

  runResumed(): void {
    this.#resumed++;
  }

  /** `count` is negative when letters were forgotten. */
  deadLettersAdded(count: number): void {
    this.#deadLetters += count;
  }

  frameAdded(run: number, position: number, points: number, bytes: number, sums: SeriesSums): void {
    let delta = this.#runs.get(run);
    if (delta === undefined) {
      delta = { points: 0, bytes: 0, lastPosition: 0, series: new Map() };
      this.#runs.set(run, delta);
    }
    delta.points += points;
    delta.bytes += bytes;
    delta.lastPosition = position;
    this.#frames++;
    this.#points += points;
    const { keys, stats } = sums;
    for (let i = 0; i < keys.length; i++) {
      addSums(delta.series, keys[i] as string, stats.subarray(i * STATS_PER_KEY, (i + 1) * STATS_PER_KEY));
    }
  }

  /** Writes the sums and forgets them. */
  write(): void {
    for (const [run, delta] of this.#runs) {
      this.#addRun.run(delta.points, delta.bytes, delta.lastPosition, run);
      for (const [key, [points, step, value, min, max]] of delta.series) {
        this.#addSeries.run(run, key, number(points), number(step), number(value), number(min), number(max));
      }
    }
    if (this.#frames > 0 || this.#deadLetters !== 0) {
      const running = this.#started + this.#resumed - this.#ended;
      this.#addTotals.run(this.#frames, this.#points, this.#started, running, this.#deadLetters);
    }
    this.clear();
  }

  /** Forgets the sums, after a rollback. */
  clear(): void {
    this.#runs.clear();
    this.#frames = 0;
    this.#points = 0;
    this.#started = 0;
    this.#ended = 0;
    this.#resumed = 0;
    this.#deadLetters = 0;
  }
}

/** Adds a frame's sums of one key. */
export function addSums(series: Map<string, Float64Array>, key: string, more: Float64Array): void {
  if (more[0] === 0) return;
  const known = series.get(key);
  if (known === undefined) {
    series.set(key, more);
    return;
  }
  const [points, step, value, min, max] = more;
  known[0] = number(known[0]) + number(points);
  known[1] = number(step);
  known[2] = number(value);
  known[3] = pick(Math.min, number(known[3]), number(min));
  known[4] = pick(Math.max, number(known[4]), number(max));
}

/** `choose` of two numbers, of which NaN stands for none. */
function pick(choose: (a: number, b: number) => number, a: number, b: number): number {
  if (Number.isNaN(a)) return b;
  return Number.isNaN(b) ? a : choose(a, b);
}

function number(value: number | undefined): number {
  return value ?? Number.NaN;
}
