/** What `pkx top` knows: the runs as they were last told, how fast they grow, and the shape of their metrics. */
import type { Client, Run, StatusResponse } from "@pipekit/experiment";

/** A metric of a run, thinned out. */
export interface Shape {
  readonly key: string;
  readonly values: Float64Array;
}

/** One run on the screen. */
export interface Row {
  readonly run: Run;
  /** Points a second, one entry a tick, oldest first. */
  readonly rates: readonly number[];
  readonly shapes: readonly Shape[];
}

interface Watched {
  run: Run;
  rates: number[];
  shapes: readonly Shape[];
  seenPoints: number;
  seenAtMs: number;
  shapedPoints: number;
}

/** Ticks of which the rate is kept. */
const RATE_TICKS = 60;
/** Runs kept; those that ended longest ago go first. */
const MAX_RUNS = 200;
const SHAPES_A_RUN = 3;
const POINTS_A_SHAPE = 96;

export class TopModel {
  readonly #runs = new Map<string, Watched>();
  status: StatusResponse | undefined;

  /** Takes what was told of a run. */
  put(run: Run, nowMs: number): void {
    const known = this.#runs.get(run.runId);
    if (known !== undefined) known.run = run;
    else {
      const seen = { seenPoints: run.points, seenAtMs: nowMs, shapedPoints: -1 };
      this.#runs.set(run.runId, { run, rates: [], shapes: [], ...seen });
    }
    for (const { run: old } of this.#ordered().slice(MAX_RUNS)) this.#runs.delete(old.runId);
  }

  /** Notes how much each run has grown since the tick before. */
  tick(nowMs: number): void {
    for (const watched of this.#runs.values()) {
      const seconds = (nowMs - watched.seenAtMs) / 1000;
      if (seconds <= 0) continue;
      const rate = Math.max(0, watched.run.points - watched.seenPoints) / seconds;
      watched.rates = [...watched.rates, rate].slice(-RATE_TICKS);
      watched.seenPoints = watched.run.points;
      watched.seenAtMs = nowMs;
    }
  }

  /** Running runs first, then the newest. */
  rows(): readonly Row[] {
    return this.#ordered();
  }

  /** Reads the metrics of the first `count` runs again, where they have grown. */
  async refreshShapes(client: Client, count: number, signal: AbortSignal): Promise<void> {
    for (const watched of this.#ordered().slice(0, count)) {
      if (watched.shapedPoints === watched.run.points) continue;
      watched.shapedPoints = watched.run.points;
      const keys = chosenKeys(watched.run);
      if (keys.length === 0) continue;
      const series = await client
        .readSeries(watched.run.runId, { keys, maxPoints: POINTS_A_SHAPE, signal })
        .catch(() => []);
      const byKey = new Map(series.map((one) => [one.key, one.values]));
      watched.shapes = keys.flatMap((key) => {
        const values = byKey.get(key);
        return values === undefined ? [] : [{ key, values: Float64Array.from(values) }];
      });
    }
  }

  #ordered(): Watched[] {
    return [...this.#runs.values()].sort(
      (a, b) =>
        Number(b.run.endedAtUs === 0) - Number(a.run.endedAtUs === 0) ||
        b.run.startedAtUs - a.run.startedAtUs,
    );
  }
}

/** What a person looks at first: losses, then scores, then the rest; the machine's own figures last. */
function chosenKeys(run: Run): string[] {
  const rank = (key: string) => {
    if (key.startsWith("system/")) return 3;
    if (/loss/i.test(key)) return 0;
    return /acc|auc|f1|score|reward/i.test(key) ? 1 : 2;
  };
  return run.series
    .map(({ key }) => key)
    .toSorted((a, b) => rank(a) - rank(b))
    .slice(0, SHAPES_A_RUN);
}
