/** Counts the points that an import of a session shows. */

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { MetricName } from "../names.ts";
import { asciiJson } from "./files.ts";

/** The names and the step in an event as the session's writer puts it; with millions of points parsing all takes long. */
const EVENT = /"metric":("(?:[^"\\]|\\.)*"),"variant":("(?:[^"\\]|\\.)*"),"timestamp":-?\d+,"iter":(-?\d+)/g;

/** What is known of a metric's steps: as long as they rise, a step that comes is a new one. */
interface Steps {
  points: number;
  latest: number;
  rising: boolean;
}

/**
 * Points of each metric, in their order; ClearML keeps one of several with equal step. Reads the first `bytes` of the
 * file; a second time when steps of a metric do not rise. Throws faults of the file system.
 */
export async function countPoints(
  path: string,
  bytes: number,
  names: readonly MetricName[],
  signal: AbortSignal,
): Promise<readonly number[]> {
  const metrics = new Map(names.map((name) => [place(name), { ...NO_STEPS }]));
  await eachEvent(path, bytes, signal, (metric, step) => {
    const steps = metrics.get(metric);
    if (steps === undefined) return;
    if (step <= steps.latest) steps.rising = false;
    steps.points++;
    steps.latest = step;
  });
  const jumping = new Map(
    [...metrics].flatMap(([key, { rising }]) => (rising ? [] : [[key, new Set<number>()]])),
  );
  if (jumping.size > 0) {
    await eachEvent(path, bytes, signal, (metric, step) => jumping.get(metric)?.add(step));
  }
  return names.map((name) => {
    const metric = place(name);
    return jumping.get(metric)?.size ?? metrics.get(metric)?.points ?? 0;
  });
}

const NO_STEPS: Steps = { points: 0, latest: Number.NEGATIVE_INFINITY, rising: true };

/** Names as they stand in an event. */
function place({ title, series }: MetricName): string {
  return `${asciiJson(title)},${asciiJson(series)}`;
}

async function eachEvent(
  path: string,
  bytes: number,
  signal: AbortSignal,
  visit: (metric: string, step: number) => void,
): Promise<void> {
  if (bytes === 0) return;
  const input = createReadStream(path, { end: bytes - 1, signal });
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    signal.throwIfAborted();
    for (const [, title, series, step] of line.matchAll(EVENT)) visit(`${title},${series}`, Number(step));
  }
}
