import { type Figure, quantile } from "../report.ts";

/** Milliseconds that each piece of work took, one after another. */
export async function timed<T>(
  items: readonly T[],
  work: (item: T, number: number) => Promise<unknown>,
): Promise<number[]> {
  const times: number[] = [];
  for (const [number, item] of items.entries()) {
    const start = performance.now();
    await work(item, number);
    times.push(performance.now() - start);
  }
  return times;
}

/** The p50 and p99 of times in milliseconds; `most`: what the p50 may be. */
export function figureOf(name: string, times: readonly number[], goal = "", most?: number): Figure {
  const p50 = quantile(times, 0.5);
  const p99 = quantile(times, 0.99);
  return {
    name,
    ours: `${p50.toFixed(1)} / ${p99.toFixed(1)} ms`,
    peer: "",
    ratio: "",
    goal,
    met: most === undefined ? undefined : p50 <= most,
  };
}
