/** Which end of a run is its end: one that was resumed has several. */
import { type RunEnd, RunState } from "@pipekit/proto";
import type { DeadLetterEntry, RunEntry } from "../journal/journal.ts";
import { finishRun } from "./finishing.ts";
import { allLetters } from "./redrive.ts";
import type { Sink } from "./sink.ts";
import type { SourceEnd } from "./source.ts";

/**
 * Ends the run in the tool, and is true when the run is done. An end behind which the run goes on, or will, is passed over
 * like any record.
 */
export async function endRun(sink: Sink, { end, to }: SourceEnd): Promise<boolean> {
  const run = await sink.parts.journal.run(sink.entry.runId);
  const { state, lastPosition, resume, start } = run;
  if (state === "running" || to.position < lastPosition) {
    sink.ledger.update({ cursor: to });
    sink.rewind();
    return false;
  }
  const hasOneEnd = resume === undefined && start.member === undefined;
  // Where the tool refused an earlier end, this one takes its place. The end of a group's run is that of all its members.
  return finishRun(sink, { end: hasOneEnd ? end : endOf(run), to }, hasOneEnd ? [] : await endLetters(sink));
}

/** The run's end when the cursor stands behind it already. */
export async function passedEnd(sink: Sink): Promise<SourceEnd | undefined> {
  const { runId, cursor } = sink.entry;
  const run = await sink.parts.journal.run(runId);
  if (run.state === "running" || cursor.position < run.lastPosition) return undefined;
  return { end: endOf(run), to: cursor };
}

function endOf({ state, reason, endedAtUs }: RunEntry): RunEnd {
  const how = state === "completed" ? RunState.RUN_STATE_COMPLETED : RunState.RUN_STATE_FAILED;
  return { state: how, reason, endedAtUs };
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
