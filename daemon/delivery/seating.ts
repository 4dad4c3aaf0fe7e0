/**
 * Who may have a session at an endpoint. A run that is running always may. Of the ended ones, which may be thousands
 * after a long outage, a few at a time, in the order in which they asked: the others hold nothing and wait.
 */
import type { RunEntry } from "../journal/journal.ts";
import type { Sink } from "./sink.ts";

/** True when the run may be opened now; else the sink waited, and everything has to be looked at anew. */
export async function haveSeat(sink: Sink, { state }: RunEntry): Promise<boolean> {
  const { session, endpoint, signal } = sink;
  if (state === "running" || session.isSeated) return true;
  let waited = false;
  const patience = new AbortController();
  sink.endSeatWait = () => patience.abort();
  try {
    const leave = await endpoint.seats.take(AbortSignal.any([signal, patience.signal]), () => {
      waited = true;
      sink.rewind();
    });
    session.seat(leave);
  } catch (error) {
    signal.throwIfAborted();
    if (!patience.signal.aborted) throw error;
  } finally {
    sink.endSeatWait = () => {};
  }
  sink.seatedBatches = 0;
  return !waited;
}

/**
 * Closes a session before the next batch where others come first: the run has ended since it was opened and all seats are
 * taken, or it has had its seat for long. True when it was closed.
 */
export async function makeRoom(sink: Sink): Promise<boolean> {
  const { session, endpoint, parts, entry } = sink;
  if (session.isSeated) {
    if (!endpoint.seats.isWanted || sink.seatedBatches < parts.limits.seatBatches) return false;
  } else {
    // Who keeps up has no backlog that could last.
    if (!sink.isBehind || (await parts.journal.run(entry.runId)).state === "running") return false;
    const leave = endpoint.seats.takeNow();
    if (leave !== undefined) {
      session.seat(leave);
      sink.seatedBatches = 0;
      return false;
    }
  }
  sink.rewind();
  void session.close();
  return true;
}

/**
 * Leaves the seat to others before a wait for the next try. Who is open and was only told by the breaker to wait stays for a
 * few times: it has not had its try, and would open in vain again and again where others fail.
 */
export function standBack({ session, endpoint, patience }: Sink): void {
  if (patience === "fresh" || !session.isSeated || !endpoint.seats.isWanted) return;
  if (patience === "over" || !session.isOpen) void session.close();
}
