/** Whether a daemon stays the size that it has. */
import { median } from "../report.ts";
import type { Sample } from "./samples.ts";

/** How much a figure may grow from the second third of a soak to the last, medians: a share of it, and an amount besides. */
export interface Bound {
  readonly share: number;
  readonly amount: number;
}

export type Figure = Exclude<keyof Sample, "second">;
export type Bounds = Readonly<Partial<Record<Figure, Bound>>>;

const MIB = 2 ** 20;

/** A day at one go may grow by what a collection of garbage more or less makes, and by nothing that adds up. */
export const FLAT: Bounds = {
  rss: { share: 0.05, amount: 10 * MIB },
  heap: { share: 0.1, amount: 4 * MIB },
  fds: { share: 0, amount: 3 },
  threads: { share: 0, amount: 1 },
  wal: { share: 0.1, amount: 4 * MIB },
  log: { share: 0, amount: 10 * MIB },
  files: { share: 0.1, amount: 4 * MIB },
};

/** One figure of a soak. */
export interface Course {
  readonly figure: Figure;
  /** Medians of the second and the last third; the first is the warm-up. */
  readonly middle: number;
  readonly end: number;
  readonly most: number;
  /** Undefined where no bound is set: it grows with what is put in. */
  readonly flat: boolean | undefined;
}

export function courses(samples: readonly Sample[], bounds: Bounds): Course[] {
  const third = Math.floor(samples.length / 3);
  const figures: readonly Figure[] = [
    ...(["rss", "heap", "fds", "threads"] as const),
    ...(["journal", "wal", "log", "audit", "files"] as const),
  ];
  return figures.map((figure) => {
    const values = samples.map((sample) => sample[figure]);
    const middle = median(values.slice(third, 2 * third));
    const end = median(values.slice(2 * third));
    const bound = bounds[figure];
    const flat = bound && end <= middle * (1 + bound.share) + bound.amount;
    return { figure, middle, end, most: Math.max(...values), flat };
  });
}
