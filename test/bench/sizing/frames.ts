/** Frames of a process that logs rows of ten values. */
import { type Frame, packRows, RunStart } from "@pipekit/proto";
import { ulid } from "ulid";

export const KEYS = Array.from({ length: 10 }, (_, i) => `train/metric${i}`);

/** A run of frames with `rows` rows of ten values each. */
export function* framesOf(frames: number, rows: number): Generator<Frame> {
  const [writerId, runId] = [ulid(), ulid()];
  const start = RunStart.fromPartial({ name: "sizing", startedAtUs: Date.now() * 1000 });
  yield { writerId, seq: 1, runId, records: [{ record: { $case: "start", value: start } }] };
  for (let frame = 0; frame < frames; frame++) {
    const packed = Array.from({ length: rows }, (_, row) => {
      const step = frame * rows + row;
      return { keys: KEYS, step, timeUs: Date.now() * 1000, values: KEYS.map((_, i) => step * 0.37 + i) };
    });
    yield {
      writerId,
      seq: frame + 2,
      runId,
      records: [{ record: { $case: "metrics", value: packRows(packed) } }],
    };
  }
}
