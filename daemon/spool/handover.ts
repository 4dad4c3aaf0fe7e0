/** Hands the frames of a dead writer to the journal. */
import { type Frame, type LogResponse, PipekitError } from "@pipekit/proto";
import { type Findings, type LeftFiles, leftFrames } from "./leftovers.ts";

/** Frames of one writer on their way to the journal's disk. */
const IN_FLIGHT = 16;

/** The way into the journal: `taken` resolves when the next frame may come, `result` once it is on disk or refused. */
export type AppendFrame = (
  frame: Frame,
  signal: AbortSignal,
) => { readonly taken: Promise<unknown>; readonly result: Promise<LogResponse> };

/** What is handed over, and where to. */
export interface Handover {
  readonly files: LeftFiles;
  /** Seq of the last frame of a writer that is on disk. */
  readonly lastSeq: (writerId: string) => Promise<number>;
  readonly append: AppendFrame;
  readonly signal: AbortSignal;
}

/** Points that were refused for good, and the last reason. */
export interface Refused {
  points: number;
  reason: string;
}

/** Appends every frame; rejects when the rest must wait. Adds to `findings`. */
export async function handOver(handover: Handover, findings: Findings): Promise<Refused> {
  const { files, lastSeq, append, signal } = handover;
  const refused = { points: 0, reason: "" };
  const results: Promise<void>[] = [];
  let first = true;
  const judge = async (result: Promise<LogResponse>, points: number) => {
    const { rejection } = await result;
    if (rejection === undefined) return;
    const failure = PipekitError.fromDetail(rejection);
    // Its start may be in the ring or spool of another process, or of one that lives.
    if (failure.code === "RUN_NOT_FOUND" || failure.code === "INVALID_FRAME") throw failure;
    refused.points += points;
    refused.reason = failure.message;
  };
  for await (const { frame, points } of leftFrames(files, await lastSeq(files.writerId), findings)) {
    signal.throwIfAborted();
    const turn = append(frame, signal);
    const result = judge(turn.result, points);
    result.catch(() => undefined);
    results.push(result);
    await turn.taken;
    // The first alone: when the run is not known yet, nothing else need be tried.
    if (first || results.length >= IN_FLIGHT) await results.shift();
    first = false;
  }
  await Promise.all(results);
  return refused;
}
