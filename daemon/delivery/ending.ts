/** Which end of a run is its end: one that was resumed has several. */
import { RunState } from "@pipekit/proto";
import type { DeadLetterEntry } from "../journal/journal.ts";
import { finishRun } from "./finishing.ts";
import { allLetters } from "./redrive.ts";
import type { Sink } from "./sink.ts";
import type { SourceEnd } from "./source.ts";

/**
 * Ends the run in the tool, and is true when the run is done. An end behind which the run goes on, or will, is passed over
 * like any record.
 */
export async function endRun(sink: Sink, { end, to }: SourceEnd): Promise<boolean> {
  const { state, lastPosition, resume } = await sink.parts.journal.run(sink.entry.runId);
  if (state === "running" || to.position < lastPosition) {
    sink.ledger.update({ cursor: to });
    sink.rewind();
    return false;
  }
  // Where the tool refused an earlier end, this one takes its place.
  return finishRun(sink, { end, to }, resume === undefined ? [] : await endLetters(sink));
}

/** The run's end when the cursor stands behind it already. */
export async function passedEnd(sink: Sink): Promise<SourceEnd | undefined> {
  const { runId, cursor } = sink.entry;
  const { state, reason, endedAtUs, lastPosition } = await sink.parts.journal.run(runId);
  if (state === "running" || cursor.position < lastPosition) return undefined;
  const how = state === "completed" ? RunState.RUN_STATE_COMPLETED : RunState.RUN_STATE_FAILED;
  return { end: { state: how, reason, endedAtUs }, to: cursor };
}

/** Ends that the tool refused. */
export async function endLetters(sink: Sink): Promise<DeadLetterEntry[]> {
  const { runId, spec } = sink.entry;
  const ends: DeadLetterEntry[] = [];
  for await (const letter of allLetters(sink.parts.journal, { runId, spec })) {
    if (letter.kind === "end") ends.push(letter);
  }
  return ends;
}
