import { PipekitError } from "@pipekit/proto";
import type { MetricQuery, SeriesChunk } from "./journal.ts";
import type { WorkerLink } from "./link.ts";
import type { CloseCall, KeyCount, PointColumns, ReaderCalls } from "./messages.ts";

/** Points gathered for one answer of the reader, all keys together. */
const PAGE_POINTS = 262_144;
/** Points that one down-sampling pass keeps at most; more keys take more passes. */
const PASS_POINTS = 1_000_000;

/**
 * Streams the points that the journal holds when it is called. Nothing is held between two chunks but a position, so
 * that a slow consumer costs nothing.
 */
export async function* readMetrics(
  reader: WorkerLink<ReaderCalls & CloseCall>,
  { runId, keys, fromStep, toStep, maxPoints }: MetricQuery,
): AsyncGenerator<SeriesChunk> {
  if (maxPoints !== 0 && !(maxPoints >= 4)) {
    throw new PipekitError("INVALID_ARGUMENT", `Down-sampling to ${maxPoints} points is not possible.`, {
      field: "max_points",
      mend: "Ask for 4 points or more, or for 0 to get all.",
    });
  }
  const asked = {
    runId,
    keys,
    fromStep: fromStep ?? Number.NEGATIVE_INFINITY,
    toStep: toStep ?? Number.POSITIVE_INFINITY,
  };
  const { upTo, counts } = await reader.call("plan", asked);
  const range = { ...asked, upTo };
  const pointsOf = new Map(counts.map(({ key, points }) => [key, points]));
  const finish = (columns: PointColumns): SeriesChunk => ({
    ...columns,
    pointsInRange: pointsOf.get(columns.key) ?? 0,
  });
  if (counts.length === 0) return;
  if (maxPoints > 0) {
    for (const pass of passes(counts, maxPoints)) {
      for (const columns of await reader.call("sample", { range, counts: pass, maxPoints }))
        yield finish(columns);
    }
    return;
  }
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page: ReaderCalls["page"]["answer"] = await reader.call("page", {
      range,
      after,
      maxPoints: PAGE_POINTS,
    });
    for (const columns of page.chunks) yield finish(columns);
    after = page.next;
  }
}

/** Splits the keys so that each pass over the frames keeps a bounded number of points. */
function passes(counts: readonly KeyCount[], maxPoints: number): KeyCount[][] {
  const all: KeyCount[][] = [];
  let room = 0;
  for (const count of counts) {
    const kept = Math.min(count.points, maxPoints);
    if (room < kept || all.length === 0) {
      all.push([]);
      room = PASS_POINTS;
    }
    all.at(-1)?.push(count);
    room -= kept;
  }
  return all;
}
