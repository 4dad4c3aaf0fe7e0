/** What the journal has of a run's points already: it is the only memory of an import. */
import type { PastRow } from "@pipekit/adapters/history";
import type { Journal } from "../journal/index.ts";

/** Up to so many points are known one by one; of more, only how many of each key. */
const MOST_POINTS = 500_000;

/** Tells points that are new from those that are there. Each point of the journal answers for one of the source. */
export class KnownPoints {
  readonly #runId: string;
  /** Metric key to what is there: each point by step, time and value, with its count. */
  readonly #points: ReadonlyMap<string, Map<string, number>> | undefined;
  /** Metric key to the points that are there and were not met yet, and to how the last of them looks. */
  readonly #counts: Map<string, { left: number; readonly step: number; readonly value: number }>;
  readonly #note: (sentence: string) => void;

  private constructor(
    runId: string,
    points: ReadonlyMap<string, Map<string, number>> | undefined,
    counts: Map<string, { left: number; readonly step: number; readonly value: number }>,
    note: (sentence: string) => void,
  ) {
    this.#runId = runId;
    this.#points = points;
    this.#counts = counts;
    this.#note = note;
  }

  /**
   * Of a run with very many points, the first ones of a key in the source are taken for those that are there, which they are
   * when the source only grows at its end; where the last of them differs, it is told. Throws CORRUPT_JOURNAL.
   */
  static async of(
    journal: Pick<Journal, "series" | "readMetrics">,
    run: { readonly runId: string; readonly points: number },
    note: (sentence: string) => void,
  ): Promise<KnownPoints> {
    const { runId } = run;
    if (run.points > MOST_POINTS) {
      const series = await journal.series(runId);
      const counts = series.map(({ key, points, lastStep, lastValue }) => {
        return [key, { left: points, step: lastStep, value: lastValue }] as const;
      });
      return new KnownPoints(runId, undefined, new Map(counts), note);
    }
    const points = new Map<string, Map<string, number>>();
    for await (const { key, steps, values, timesUs } of journal.readMetrics({
      runId,
      keys: [],
      maxPoints: 0,
    })) {
      const known = points.get(key) ?? new Map<string, number>();
      points.set(key, known);
      steps.forEach((step, i) => {
        const name = nameOf(step, timesUs[i] ?? 0n, values[i] ?? 0);
        known.set(name, (known.get(name) ?? 0) + 1);
      });
    }
    return new KnownPoints(runId, points, new Map(), note);
  }

  /** What of a row is new; undefined when nothing is. */
  newOf(row: PastRow): PastRow | undefined {
    const fresh = row.keys.map((key, i) => this.#isNew(key, row, row.values[i] ?? Number.NaN));
    if (!fresh.includes(false)) return row;
    const keys = row.keys.filter((_, i) => fresh[i]);
    return keys.length === 0 ? undefined : { ...row, keys, values: row.values.filter((_, i) => fresh[i]) };
  }

  #isNew(key: string, { step, timeUs }: PastRow, value: number): boolean {
    if (this.#points === undefined) return this.#isBeyond(key, step, value);
    const known = this.#points.get(key);
    const name = nameOf(step, timeUs, value);
    const count = known?.get(name) ?? 0;
    if (count > 0) known?.set(name, count - 1);
    return count === 0;
  }

  #isBeyond(key: string, step: number, value: number): boolean {
    const known = this.#counts.get(key);
    if (known === undefined || known.left === 0) return true;
    known.left--;
    if (known.left === 0 && (step !== known.step || !Object.is(value, known.value))) {
      this.#note(
        `Run ${this.#runId}: the points of \`${key}\` at the source do not begin with those that are here; ` +
          "compare the two before you rely on it.",
      );
    }
    return false;
  }
}

function nameOf(step: number | bigint, timeUs: number | bigint, value: number): string {
  return `${step} ${timeUs} ${Object.is(value, -0) ? "-0" : value}`;
}
