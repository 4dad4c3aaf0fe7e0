import type { ReadMetricsResponse } from "@pipekit/proto";
import type { CallSettings } from "./calls.ts";
import type { Connection } from "./connection.ts";
import { finite, resuming } from "./streams.ts";

/** Which points to read. */
export interface MetricsQuery extends CallSettings {
  /** Default: all keys. */
  readonly keys?: readonly string[] | undefined;
  /** First step wanted. */
  readonly fromStep?: number | undefined;
  /** Last step wanted, inclusive. */
  readonly toStep?: number | undefined;
  /** At most this many points a key, at least 4; each bucket keeps its smallest and largest value. Default: all. */
  readonly maxPoints?: number | undefined;
}

/** Points of one metric, in the order in which they were journaled; the columns have one length. */
export interface MetricSeries {
  readonly key: string;
  readonly steps: Float64Array;
  readonly values: Float64Array;
  /** Unix microseconds. */
  readonly timesUs: Float64Array;
  /** Points in the range before down-sampling. */
  readonly pointsInRange: number;
}

/** Streams series; a series may come in several parts. */
export async function* readMetrics(
  connection: Connection,
  runId: string,
  { keys = [], fromStep, toStep, maxPoints = 0, signal }: MetricsQuery,
): AsyncGenerator<MetricSeries> {
  const request = { runId, keys: [...keys], fromStep, toStep, maxPoints };
  const open = () => connection.services.tracker.readMetrics(request);
  for await (const part of finite(connection, open, signal)) yield toSeries(part);
}

/** Which points to watch. */
export type WatchMetricsQuery = Pick<MetricsQuery, "keys" | "maxPoints" | "signal">;

/** A piece of what was there, or what came since. */
export interface MetricUpdate {
  /** Parts of series. `pointsInRange` of a live one is its length. */
  readonly series: readonly MetricSeries[];
  /** False for points that were journaled before the watch began. The first update that is live may be empty. */
  readonly live: boolean;
  /** The watch begins (anew) with this update: what came before it comes once more, and counts no longer. */
  readonly restart: boolean;
}

/** Streams series, then what comes; begins anew when the daemon was away. */
export async function* watchMetrics(
  connection: Connection,
  runId: string,
  { keys = [], maxPoints = 0, signal }: WatchMetricsQuery,
): AsyncGenerator<MetricUpdate> {
  let restart = true;
  const open = () => {
    connection.need("watch_metrics", "watch metrics");
    restart = true;
    return connection.services.tracker.watchMetrics({ runId, keys: [...keys], maxPoints });
  };
  for await (const { series, live } of resuming(connection, open, signal)) {
    yield { series: series.map(toSeries), live, restart };
    restart = false;
  }
}

/** Joins the parts of each series. */
export async function mergeSeries(parts: AsyncIterable<MetricSeries>): Promise<MetricSeries[]> {
  const byKey = new Map<string, MetricSeries[]>();
  for await (const part of parts) {
    const known = byKey.get(part.key);
    if (known === undefined) byKey.set(part.key, [part]);
    else known.push(part);
  }
  return [...byKey].map(([key, list]) => ({
    key,
    steps: concat(list.map((part) => part.steps)),
    values: concat(list.map((part) => part.values)),
    timesUs: concat(list.map((part) => part.timesUs)),
    pointsInRange: list[0]?.pointsInRange ?? 0,
  }));
}

function toSeries(part: ReadMetricsResponse): MetricSeries {
  return {
    key: part.key,
    steps: int64Column(part.steps),
    values: Float64Array.from({ length: part.values.length / 8 }, (_, i) => part.values.readDoubleLE(i * 8)),
    timesUs: int64Column(part.timesUs),
    pointsInRange: part.pointsInRange,
  };
}

function int64Column(bytes: Buffer): Float64Array {
  return Float64Array.from({ length: bytes.length / 8 }, (_, i) => Number(bytes.readBigInt64LE(i * 8)));
}

function concat(columns: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(columns.reduce((sum, column) => sum + column.length, 0));
  let offset = 0;
  for (const column of columns) {
    whole.set(column, offset);
    offset += column.length;
  }
  return whole;
}
