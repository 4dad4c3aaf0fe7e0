/** Runs and points in numbers, by bare frames: a client of ours would be the slow part. */
import { credentials } from "@grpc/grpc-js";
import {
  type Frame,
  type LogResponse,
  packRows,
  RunStart,
  RunState,
  TrackerServiceClient,
} from "@pipekit/proto";
import { ulid } from "ulid";

const FRAME_POINTS = 4096;
const IN_FLIGHT = 64;

/** Sends frames over one stream, with a bound on what is not acknowledged; resolves when all is. */
export async function sendFrames(endpoint: string, frames: Iterable<Frame>): Promise<void> {
  const client = new TrackerServiceClient(endpoint, credentials.createInsecure());
  const stream = client.log();
  let sent = 0;
  let acked = 0;
  let changed = Promise.withResolvers<void>();
  stream.on("data", ({ rejection }: LogResponse) => {
    if (rejection !== undefined) changed.reject(new Error(`${rejection.code}: ${rejection.message}`));
    acked++;
    changed.resolve();
  });
  stream.on("error", (error: Error) => changed.reject(error));
  const until = async (fits: () => boolean) => {
    while (!fits()) {
      await changed.promise;
      changed = Promise.withResolvers();
    }
  };
  try {
    for (const frame of frames) {
      stream.write({ frame });
      sent++;
      await until(() => sent - acked < IN_FLIGHT);
    }
    await until(() => sent === acked);
  } finally {
    // How the stream ends is nobody's business any more.
    changed.promise.catch(() => undefined);
    stream.end();
    client.close();
  }
}

/** A run: its start, `points` points 0, 1, 2, ... of the key `a`, and its end. */
export function* framesOfRun(runId: string, points: number, sinks: readonly string[]): Generator<Frame> {
  const writerId = ulid();
  let seq = 0;
  const frame = (record: NonNullable<Frame["records"][number]["record"]>): Frame => {
    return { writerId, seq: ++seq, runId, records: [{ record }] };
  };
  const start = RunStart.fromPartial({ name: "flood", startedAtUs: Date.now() * 1000, sinks: [...sinks] });
  yield frame({ $case: "start", value: start });
  const keys = ["a"];
  for (let first = 0; first < points; first += FRAME_POINTS) {
    const timeUs = Date.now() * 1000;
    const rows = Array.from({ length: Math.min(FRAME_POINTS, points - first) }, (_, i) => {
      return { keys, step: first + i, timeUs, values: [first + i] };
    });
    yield frame({ $case: "metrics", value: packRows(rows) });
  }
  const end = { state: RunState.RUN_STATE_COMPLETED, reason: "", endedAtUs: Date.now() * 1000 };
  yield frame({ $case: "end", value: end });
}
