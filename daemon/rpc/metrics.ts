/** The reads of metric points: once, and on and on. */
import type {
  ReadMetricsRequest,
  ReadMetricsResponse,
  WatchMetricsRequest,
  WatchMetricsResponse,
} from "@pipekit/proto";
import type { Journal, SeriesChunk } from "../journal/index.ts";
import { sweepBehind } from "./sweep.ts";
import { Changes, pause } from "./watch.ts";

/** A watcher gets new points at most this often, milliseconds. */
const UPDATE_INTERVAL_MS = 50;
/** About the most points that one update takes; what is left comes with the next. */
const UPDATE_POINTS = 131_072;
/** Series are put together in one message up to this size. The largest chunk of one series is 1.5 MiB. */
const MESSAGE_BYTES = 1024 * 1024;
const POINT_BYTES = 24;

/** The series of a run as the journal has them. */
export async function* readMetrics(
  journal: Pick<Journal, "run" | "readMetrics">,
  { runId: idOrPrefix, keys, maxPoints, fromStep, toStep }: ReadMetricsRequest,
): AsyncGenerator<ReadMetricsResponse> {
  const { runId } = await journal.run(idOrPrefix);
  const chunks = journal.readMetrics({
    runId,
    keys,
    maxPoints,
    ...(fromStep !== undefined && { fromStep }),
    ...(toStep !== undefined && { toStep }),
  });
  for await (const chunk of chunks) yield toMessage(chunk);
}

/**
 * The series of a run as they are, then what is journaled since, until the signal aborts. Nothing waits for a slow
 * taker but a position: it gets more at a time.
 */
export async function* watchMetrics(
  journal: Pick<Journal, "run" | "metricSnapshot" | "newMetrics" | "onCommit">,
  { runId: idOrPrefix, keys, maxPoints }: WatchMetricsRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchMetricsResponse> {
  const { runId } = await journal.run(idOrPrefix);
  const changes = new Changes(
    (changed) => journal.onCommit((runIds) => runIds.has(runId) && changed(runId)),
    signal,
  );
  try {
    const { position, chunks } = await journal.metricSnapshot({ runId, keys, maxPoints });
    for await (const series of messages(chunks)) yield { series, live: false };
    yield { series: [], live: true };
    for (let after = position; !signal.aborted; ) {
      changes.take();
      const found = await journal.newMetrics({ runId, keys, after, maxPoints: UPDATE_POINTS });
      for await (const series of messages(found.chunks)) yield { series, live: true };
      after = found.position;
      await pause(UPDATE_INTERVAL_MS, signal);
      if (!found.more) await changes.some();
    }
  } finally {
    changes.close();
  }
}

/** Puts small chunks together. */
async function* messages(
  chunks: AsyncIterable<SeriesChunk> | Iterable<SeriesChunk>,
): AsyncGenerator<ReadMetricsResponse[]> {
  let gathered: ReadMetricsResponse[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    gathered.push(toMessage(chunk));
    bytes += chunk.values.length * POINT_BYTES + Buffer.byteLength(chunk.key);
    if (bytes < MESSAGE_BYTES) continue;
    sweepBehind(bytes);
    yield gathered;
    gathered = [];
    bytes = 0;
  }
  if (gathered.length > 0) yield gathered;
}

function toMessage(chunk: SeriesChunk): ReadMetricsResponse {
  return {
    key: chunk.key,
    steps: bytesOf(chunk.steps),
    values: bytesOf(chunk.values),
    timesUs: bytesOf(chunk.timesUs),
    pointsInRange: chunk.pointsInRange,
  };
}

function bytesOf(column: BigInt64Array | Float64Array): Buffer {
  return Buffer.from(column.buffer, column.byteOffset, column.byteLength);
}
