import { PipekitError } from "@pipekit/proto";
import type { MetricQuery, MetricSnapshot, NewMetrics, SeriesChunk, TailQuery } from "./journal.ts";
import type { WorkerLink } from "./link.ts";
import type { CloseCall, KeyCount, PointColumns, ReaderCalls, ScanRange } from "./messages.ts";

/** Points gathered for one answer of the reader, all keys together. */
const PAGE_POINTS = 262_144;
/** Points that one down-sampling pass keeps at most; more keys take more passes. */
const PASS_POINTS = 1_000_000;

type Reader = WorkerLink<ReaderCalls & CloseCall>;

/**
 * The points that the journal holds when it is called. Nothing is held between two chunks but a position, so that a
 * slow consumer costs nothing.
 */
export async function metricSnapshot(
  reader: Reader,
  { runId, keys, fromStep, toStep, maxPoints }: MetricQuery,
): Promise<MetricSnapshot> {
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
  return { position: upTo, chunks: snapshotChunks(reader, { ...asked, upTo }, counts, maxPoints) };
}

/** The points of the next frames behind a position. */
export async function newMetrics(
  reader: Reader,
  { runId, keys, after, maxPoints }: TailQuery,
): Promise<NewMetrics> {
  const everything = Number.POSITIVE_INFINITY;
  const range = { runId, keys, fromStep: Number.NEGATIVE_INFINITY, toStep: everything, upTo: everything };
  const { chunks, position, more } = await reader.call("page", { range, after, maxPoints });
  return {
    chunks: chunks.map((columns) => ({ ...columns, pointsInRange: columns.values.length })),
    position,
    more,
  };
}

async function* snapshotChunks(
  reader: Reader,
  range: ScanRange,
  counts: readonly KeyCount[],
  maxPoints: number,
): AsyncGenerator<SeriesChunk> {
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
  let page: ReaderCalls["page"]["answer"] | undefined;
  do {
    const after = page?.position ?? 0;
    page = await reader.call("page", { range, after, maxPoints: PAGE_POINTS });
    for (const columns of page.chunks) yield finish(columns);
  } while (page.more);
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
