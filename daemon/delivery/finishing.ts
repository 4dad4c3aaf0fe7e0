import type { SendResult, SinkCount } from "@pipekit/adapters/tracker";
import type { DeadLetterEntry } from "../journal/journal.ts";
import { type Counted, type Setback, setbackOf } from "./exchange.ts";
import { type Reconciliation, reconcile } from "./reconcile.ts";
import { refusalOf } from "./settle.ts";
import type { Sink } from "./sink.ts";
import type { SourceEnd } from "./source.ts";
import { toSinkEnd } from "./translate.ts";

/** How often the count of an ended run is tried. */
const COUNT_TRIES = 5;
const UNANSWERED: Setback = {
  status: "retry",
  cause: "tool",
  reason: "The tool does not tell how many points it shows.",
};
const NOT_COMPARED: Reconciliation = { pointsShown: -1, notes: [] };

/**
 * Ends the run in the tool and compares the counts; false when that has to be tried again, or when the run was resumed
 * meanwhile. `again` are the dead letters of an earlier end: what this one brings takes their place.
 */
export async function finishRun(
  sink: Sink,
  { end, to }: SourceEnd,
  again: readonly DeadLetterEntry[] = [],
): Promise<boolean> {
  const { runId, spec, cursor } = sink.entry;
  const { adapter } = sink.session;
  // Ending and counting can take long: what the tool has is known, and shown, before.
  if (sink.ledger.isDirty) sink.ledger.saveSoon();
  const answer = await sink.call<SendResult>({
    name: "finish",
    run: (signal) => adapter.finish(toSinkEnd(end), signal),
  });
  if (setbackOf(answer) !== undefined) return false;
  const memo = sink.session.takeMemo() ?? sink.entry.memo;
  const reason = refusalOf(answer)?.reason;
  const letter = {
    runId,
    spec,
    kind: "end",
    points: 0,
    // Where the cursor has passed the end already, only the letter knows where it stands.
    from: to === cursor ? (again[0]?.from ?? cursor) : cursor,
    to: to === cursor ? (again[0]?.to ?? to) : to,
  };
  const series = await sink.parts.journal.series(runId);
  const keys = series.map(({ key }) => key);
  const { keepsEqualSteps } = adapter.properties;
  const shown = await countShown(sink, keys);
  const { state, lastPosition } = await sink.parts.journal.run(runId);
  // What a run that was resumed meanwhile has journaled since is compared at its next end.
  const isWhole = state !== "running" && lastPosition <= to.position;
  const { pointsShown, notes } = isWhole
    ? reconcile(series, sink.entry, shown, keepsEqualSteps)
    : NOT_COMPARED;
  if (pointsShown >= 0) tellComparison(sink, pointsShown, notes.length > 0);
  sink.ledger.addNotes(notes);
  sink.ledger.update({ memo, cursor: to, state: "done", pointsShown, lastError: reason ?? "", retryAtUs: 0 });
  const settled = again.map(({ id }) => id);
  await sink.ledger.save(reason === undefined ? [] : [{ ...letter, reason }], settled);
  for (const id of settled) {
    sink.letters.progressed(id, { pointsTaken: 0, refused: reason !== undefined, rest: undefined });
  }
  if (sink.entry.state === "done") return true;
  // The next open shows the run as running again.
  await sink.session.close();
  return false;
}

function tellComparison({ parts, kind, entry }: Sink, pointsShown: number, differs: boolean): void {
  const missing = Math.max(0, entry.pointsSent - pointsShown);
  const extra = Math.max(0, pointsShown - entry.pointsSent);
  parts.observer?.compared(kind, differs, { missing, extra });
}

/** Asks the tool what it shows, a few times when it does not answer; undefined when it cannot tell. */
async function countShown(sink: Sink, keys: readonly string[]): Promise<SinkCount | undefined> {
  for (let tries = 0; tries < COUNT_TRIES && sink.session.isOpen; tries++) {
    await sink.pause();
    const { adapter } = sink.session;
    const answer = await sink.call<Counted>({
      name: "count",
      run: async (signal) => {
        const counted = await adapter.count(keys, signal);
        return counted.status === "ok" && counted.count === undefined ? UNANSWERED : counted;
      },
    });
    if (answer.status === "ok") return answer.count;
  }
  return undefined;
}
