import { type Frame, PipekitError } from "@pipekit/proto";
import type { CommittedGroup, Journal } from "../journal/index.ts";
import type { Instruments } from "./instruments.ts";
import { withMembers } from "./members.ts";

/** Tag by which a client tells how many points it has lost by now. */
const DROPPED = "pipekit.dropped_points";
/** Writers whose last word is remembered. */
const MAX_WRITERS = 10_000;

/** Counts what a commit brought. */
export function groupObserver(instruments: Instruments): (group: CommittedGroup) => void {
  return ({ frames, points, bytes, seconds, syncSeconds }) => {
    instruments.journalFrames.add(frames);
    instruments.journalPoints.add(points);
    instruments.journalWritten.add(bytes);
    instruments.commitTime.record(seconds);
    instruments.syncTime.record(syncSeconds);
  };
}

/** The same journal, whose appends are measured. */
export function observedJournal(journal: Journal, { appendTime, droppedPoints }: Instruments): Journal {
  const losses = new Losses();
  const append: Journal["append"] = async (frame, sinks, onlyBehind) => {
    const begun = performance.now();
    let outcome = "INTERNAL";
    try {
      const result = await journal.append(frame, sinks, onlyBehind);
      outcome = result;
      if (result === "appended") droppedPoints.add(losses.newOf(frame));
      return result;
    } catch (error) {
      if (error instanceof PipekitError) outcome = error.code;
      throw error;
    } finally {
      appendTime.record((performance.now() - begun) / 1000, { outcome });
    }
  };
  return withMembers(journal, { append });
}

/** What writers have told of their losses: each tells the sum by now. */
class Losses {
  readonly #told = new Map<string, number>();

  /** Points lost that were not told of before. */
  newOf({ writerId, records }: Frame): number {
    let more = 0;
    for (const { record } of records) {
      const text = record?.$case === "tags" ? record.value.tags[DROPPED] : undefined;
      if (text === undefined || !/^\d{1,15}$/.test(text)) continue;
      const before = this.#told.get(writerId) ?? 0;
      const now = Math.max(before, Number(text));
      more += now - before;
      this.#remember(writerId, now);
    }
    return more;
  }

  #remember(writerId: string, points: number): void {
    this.#told.delete(writerId);
    this.#told.set(writerId, points);
    const [oldest] = this.#told.keys();
    if (this.#told.size > MAX_WRITERS && oldest !== undefined) this.#told.delete(oldest);
  }
}
