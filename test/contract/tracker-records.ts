/** Runs and records of the tracker contract suite, and what a tool must show of them. */

import type { Properties, SinkRecord, SinkRun } from "@pipekit/adapters/tracker";
import { expect } from "vitest";
import type { ShownPoint, ShownRun, TrackerHarness } from "./tracker-harness.ts";

export type PointRecord = Extract<SinkRecord, { kind: "point" }>;

/** Time of the first point, unix microseconds. */
export const START_US = 1_760_000_000_000_000;

let runs = 0;

/** A run that no tool has. Its id is a valid ULID, as the daemon asks for. */
export function newRun(): SinkRun {
  const number = (process.pid * 10_000 + runs++).toString().padStart(16, "0").slice(-16);
  return {
    runId: `01ARZ3NDEK${number}`,
    name: `run ${runs}`,
    pipelineHash: "f".repeat(64),
    configJson: "{}",
    startedAtUs: START_US,
    host: "host-a",
    client: "python/0.1.0",
    tags: { team: "red" },
  };
}

/** A point at the `at`th of times that are 2 ms apart. */
export function pointAt(key: string, step: number, value: number, at = 0): PointRecord {
  return { kind: "point", key, step, value, timeUs: START_US + at * 2000 };
}

/** `count` points of two keys, each at a step and time of its own. */
export function pointsFrom(first: number, count: number): PointRecord[] {
  return Array.from({ length: count }, (_, index) => {
    const step = first + index;
    // By the step and not the index, so that stretches of one sequence fit together.
    const key = step % 2 === 0 ? "loss" : "metric/val acc";
    return { kind: "point", key, step, value: step / 8, timeUs: START_US + step * 1500 };
  });
}

/** One of them, by chance. */
export function oneOf<T>(all: readonly T[], random: () => number): T {
  const chosen = all[Math.floor(random() * all.length)];
  if (chosen === undefined) throw new RangeError("Nothing to choose from.");
  return chosen;
}

/** The seed of this run of the tests: `$PKX_TEST_SEED`, or another one each time. Test names tell it. */
export const SEED = Number(process.env["PKX_TEST_SEED"] ?? Date.now() % 1_000_000);

/** The points that the tool must show: of equal steps the last only, where it keeps no more. */
export function shownOf(points: readonly PointRecord[], { keepsEqualSteps }: Properties): PointRecord[] {
  if (keepsEqualSteps) return [...points];
  const last = new Map(points.map((point) => [`${point.step} ${point.key}`, point] as const));
  return points.filter((point) => last.get(`${point.step} ${point.key}`) === point);
}

/** Asserts that the tool shows these points, each once, and in order where that can be seen. */
export async function expectPoints(
  harness: TrackerHarness,
  runId: string,
  shown: ShownRun,
  sent: readonly PointRecord[],
  properties: Properties,
): Promise<void> {
  const points = shownOf(sent, properties);
  expect(plain(sorted(shown.points, (point) => point.timeMs))).toEqual(
    plain(sorted(points, (point) => point.timeUs)),
  );
  expectTimes(harness, shown.points, points);
  if (harness.ordered === true) expect(byKey(shown.points)).toEqual(byKey(points));
  const arrivals = await harness.arrivals?.(runId);
  // A replay of what came before is harmless; what counts is when a point came first.
  if (arrivals !== undefined) expect(byKey(firsts(arrivals))).toEqual(byKey(firsts(sent)));
}

function expectTimes(
  harness: TrackerHarness,
  shown: readonly ShownPoint[],
  points: readonly PointRecord[],
): void {
  const resolution = harness.timeResolutionMs ?? 1;
  if (resolution === Number.POSITIVE_INFINITY) return;
  const logged = sorted(points, (point) => point.timeUs);
  sorted(shown, (point) => point.timeMs).forEach((point, index) => {
    const loggedMs = (logged[index]?.timeUs ?? 0) / 1000;
    expect(Math.abs(point.timeMs - loggedMs), `time of ${JSON.stringify(point)}`).toBeLessThan(resolution);
  });
}

interface Placed {
  readonly key: string;
  readonly step: number;
  readonly value: number;
}

function sorted<T extends Placed>(points: readonly T[], timeOf: (point: T) => number): T[] {
  return points.toSorted(
    (a, b) => compare(a.key, b.key) || a.step - b.step || a.value - b.value || timeOf(a) - timeOf(b),
  );
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const plain = (points: readonly Placed[]): string[] =>
  points.map(({ key, step, value }) => `${key} @${step} = ${value}`);

/** Steps and values of each key, in the order given. */
function byKey(points: readonly Placed[]): Record<string, string[]> {
  const groups = Object.groupBy(points, ({ key }) => key);
  return Object.fromEntries(Object.entries(groups).map(([key, group = []]) => [key, plain(group)]));
}

/** Each point where it came first. */
function firsts(points: readonly Placed[]): Placed[] {
  return [...new Map(points.map((point) => [plain([point])[0], point] as const)).values()];
}
