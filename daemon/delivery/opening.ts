import type { OpenResult } from "@pipekit/adapters/tracker";
import { haveSeat } from "./seating.ts";
import type { Sink } from "./sink.ts";
import { toSinkRun } from "./translate.ts";

/** Opens the run in the tool, when it has a seat there; false when that has to be tried again. */
export async function openRun(sink: Sink): Promise<boolean> {
  const { runId, memo, remoteId } = sink.entry;
  const entry = await sink.parts.journal.run(runId);
  if (!(await haveSeat(sink, entry))) return false;
  const known = Object.keys(memo).length === 0 ? undefined : memo;
  const answer = await sink.call<OpenResult>({
    name: "open",
    wait: () => sink.rewind(),
    run: (signal) => sink.session.adapter.open(toSinkRun(entry), known, signal),
  });
  if (answer.status === "retry") {
    sink.rewind();
    return false;
  }
  if (answer.status === "permanent") {
    await refused(sink, answer.reason);
    return false;
  }
  sink.session.markOpen();
  sink.endpoint.rate = sink.session.adapter.properties.requestsPerSecond;
  sink.ledger.update({
    state: "sending",
    lastError: "",
    retryAtUs: 0,
    remoteId: answer.remoteId,
    remoteUrl: answer.remoteUrl,
    memo: answer.memo,
  });
  // Before anything is sent it must be known where: else a crash makes a second run in a tool without search.
  if (known === undefined || remoteId !== answer.remoteId) await sink.ledger.save();
  return true;
}

/** The tool will not have the run. Its records wait, and it is asked again rarely. */
async function refused(sink: Sink, reason: string): Promise<void> {
  const { clock, limits, onQuiet } = sink.parts;
  sink.log.warn({ reason }, "a sink refuses a run");
  const retryAtUs = Math.round(clock.unixMs(clock.now() + limits.refusedRetryMs) * 1000);
  sink.letters.excuse();
  sink.hurried.reset();
  sink.ledger.update({ state: "refused", lastError: reason, retryAtUs });
  sink.rewind();
  await sink.ledger.save();
  void sink.session.close();
  onQuiet(sink, true);
  await sink.hurried.wait(limits.refusedRetryMs);
  onQuiet(sink, false);
}
