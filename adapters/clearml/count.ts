/** Counts the points that a ClearML server shows. */

import { z } from "zod";
import type { ClearmlApi } from "./api.ts";
import type { MetricName } from "./names.ts";

const CONCURRENT = 8;

const Raw = z.object({ total: z.number().int().nullish() });

/** Points of each metric, in their order; undefined when the server does not answer or cannot tell. */
export async function countPoints(
  api: ClearmlApi,
  taskId: string,
  names: readonly MetricName[],
  signal: AbortSignal,
): Promise<readonly number[] | undefined> {
  const counts: number[] = [];
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < names.length && !either.aborted; index = next++) {
      const { title, series } = names[index] ?? { title: "", series: "" };
      const metric = { metric: title, variants: [series] };
      const body = { task: taskId, metric, count_total: true, batch_size: 1 };
      const answer = await api.post("events.scalar_metrics_iter_raw", body, Raw, either);
      if (answer.ok && typeof answer.value.total === "number") counts[index] = answer.value.total;
      else failure.abort();
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT }, worker));
  return either.aborted ? undefined : counts;
}
