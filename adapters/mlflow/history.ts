/** Reads back what MLflow shows of a metric. */

import { z } from "zod";
import type { MlflowApi, Result } from "./api.ts";
import type { PointSource } from "./requests.ts";

const PAGE = 20_000;
/** Keys looked at together. */
const CONCURRENCY = 4;

const Int = z.union([z.number(), z.string().transform(Number)]);
const Value = z.union([z.number(), z.enum(["NaN", "Infinity", "-Infinity"]).transform(Number)]);
const Points = z.object({
  metrics: z.array(z.object({ value: Value, timestamp: Int, step: Int.default(0) })).default([]),
  next_page_token: z.string().default(""),
});
const Count = z.object({
  metrics: z.array(z.unknown()).default([]),
  next_page_token: z.string().default(""),
});

/** The points of a key from one page on, in the order of their times; the token is empty for the first and the last one. */
export async function pageOfPoints(
  api: MlflowApi,
  runId: string,
  key: string,
  token: string,
  signal: AbortSignal,
): Promise<Result<z.infer<typeof Points>>> {
  const query = { run_id: runId, metric_key: key, max_results: String(PAGE) };
  const page = token === "" ? query : { ...query, page_token: token };
  const result = await api.get("metrics/get-history", page, Points, signal);
  // A page without points that names a next one would never end.
  return result.ok && result.value.metrics.length === 0
    ? { ok: true, value: { metrics: [], next_page_token: "" } }
    : result;
}

/** All points of a key; undefined when MLflow does not answer. */
export async function readHistory(
  api: MlflowApi,
  runId: string,
  mapped: string,
  signal: AbortSignal,
): Promise<readonly PointSource[] | undefined> {
  const points: PointSource[] = [];
  const whole = await pages(api, runId, mapped, Points, signal, (page) => {
    for (const { value, timestamp, step } of page.metrics)
      points.push({ mapped, step, value, ms: timestamp });
  });
  return whole ? points : undefined;
}

/** Number of points of each key, in order; undefined when MLflow does not answer for all of them. */
export async function countHistories(
  api: MlflowApi,
  runId: string,
  mapped: readonly string[],
  signal: AbortSignal,
): Promise<readonly number[] | undefined> {
  const counts = mapped.map(() => 0);
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  let next = 0;
  const worker = async () => {
    while (next < mapped.length && !either.aborted) {
      const index = next++;
      const whole = await pages(api, runId, mapped[index] ?? "", Count, either, (page) => {
        counts[index] = (counts[index] ?? 0) + page.metrics.length;
      });
      if (!whole) failure.abort();
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return either.aborted ? undefined : counts;
}

async function pages<T extends { metrics: readonly unknown[]; next_page_token: string }>(
  api: MlflowApi,
  runId: string,
  key: string,
  schema: z.ZodType<T>,
  signal: AbortSignal,
  take: (page: T) => void,
): Promise<boolean> {
  let token = "";
  do {
    const query = {
      run_id: runId,
      metric_key: key,
      max_results: String(PAGE),
      ...(token === "" ? {} : { page_token: token }),
    };
    const result = await api.get("metrics/get-history", query, schema, signal);
    if (!result.ok) return false;
    take(result.value);
    // A page without points that names a next one would never end.
    token = result.value.metrics.length === 0 ? "" : result.value.next_page_token;
  } while (token !== "");
  return true;
}
