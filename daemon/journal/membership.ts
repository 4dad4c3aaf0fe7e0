import type { GroupMember } from "@pipekit/proto";
import type { FrameFacts, StartFacts } from "./messages.ts";

/** How a run, or a member of its group, has ended. */
export interface Outcome {
  readonly state: "completed" | "failed";
  readonly reason: string;
  readonly endedAtUs: number;
}

/** One writer of the run of a group. */
export interface Membership {
  readonly writerId: string;
  readonly rank: number;
  /** Undefined while it writes. */
  readonly outcome: Outcome | undefined;
}

/** Whose end a frame tells of: one member, or all that have not ended. */
export type Ending = { readonly writerId: string } | "all";

/** Whom the end in a frame is of; `isMember` tells of writer ids. */
export function endingOf(
  { end, writerId }: Pick<FrameFacts, "end" | "writerId">,
  isMember: (writerId: string) => boolean,
): Ending {
  if (end?.member) return { writerId: end.member };
  return isMember(writerId) ? { writerId } : "all";
}

/**
 * How the run of a group ended, by the newest writer of each rank; undefined while one of those writes. It has failed
 * when one has, and the first failure is the reason. What comes in is the same in every journal once all is there, in
 * whatever order it came, and so is what comes out.
 */
export function outcomeOf(members: Iterable<Membership>): Outcome | undefined {
  const newest = new Map<number, Membership>();
  for (const member of members) {
    const other = newest.get(member.rank);
    if (other === undefined || other.writerId < member.writerId) newest.set(member.rank, member);
  }
  let endedAtUs = 0;
  let first: { readonly rank: number; readonly outcome: Outcome } | undefined;
  for (const { rank, outcome } of newest.values()) {
    if (outcome === undefined) return undefined;
    endedAtUs = Math.max(endedAtUs, outcome.endedAtUs);
    if (outcome.state !== "failed") continue;
    const isEarlier =
      first === undefined ||
      outcome.endedAtUs < first.outcome.endedAtUs ||
      (outcome.endedAtUs === first.outcome.endedAtUs && rank < first.rank);
    if (isEarlier) first = { rank, outcome };
  }
  if (first === undefined) return { state: "completed", reason: "", endedAtUs };
  const { reason } = first.outcome;
  return { state: "failed", reason: `rank ${first.rank}${reason === "" ? "" : `: ${reason}`}`, endedAtUs };
}

/** Whether a start is the one that a group's run has: that of its lowest rank, of its oldest writer. */
export function comesFirst(
  a: Pick<Membership, "rank" | "writerId">,
  b: Pick<Membership, "rank" | "writerId">,
): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.writerId < b.writerId);
}

/** The members that the frames of a run tell of. */
export class Members {
  readonly #members = new Map<string, Membership & { readonly start: StartFacts }>();
  #first: string | undefined;

  get size(): number {
    return this.#members.size;
  }

  /** What the tables have to say of them, by writer id. */
  rows(): MemberRow[] {
    const members = [...this.#members.values()].sort((a, b) => (a.writerId < b.writerId ? -1 : 1));
    return members.map(({ writerId, rank, start, outcome }) => ({
      writer_id: writerId,
      rank,
      start: start.json,
      state: outcome?.state ?? "running",
      reason: outcome?.reason ?? "",
      ended_at_us: outcome?.endedAtUs ?? 0,
    }));
  }

  /** The start that counts. */
  get start(): StartFacts | undefined {
    return this.#first === undefined ? undefined : this.#members.get(this.#first)?.start;
  }

  get outcome(): Outcome | undefined {
    return this.#members.size === 0 ? undefined : outcomeOf(this.#members.values());
  }

  /** Adds what a frame says. */
  add(facts: Pick<FrameFacts, "start" | "end" | "writerId">): void {
    const { start, end, writerId } = facts;
    if (start?.member !== undefined) this.#join(writerId, start, start.member);
    if (end === undefined || this.#members.size === 0) return;
    const { state, reason, endedAtUs } = end;
    const ending = endingOf(facts, (id) => this.#members.has(id));
    for (const member of this.#members.values()) {
      if (member.outcome !== undefined || (ending !== "all" && ending.writerId !== member.writerId)) continue;
      this.#members.set(member.writerId, { ...member, outcome: { state, reason, endedAtUs } });
    }
  }

  #join(writerId: string, start: StartFacts, { rank }: GroupMember): void {
    if (this.#members.has(writerId)) return;
    this.#members.set(writerId, { writerId, rank, start, outcome: undefined });
    const first = this.#first === undefined ? undefined : this.#members.get(this.#first);
    if (first === undefined || comesFirst({ rank, writerId }, first)) this.#first = writerId;
  }
}

/** A row of `members` but for its run. */
export interface MemberRow {
  readonly writer_id: string;
  readonly rank: number;
  readonly start: string;
  readonly state: "running" | "completed" | "failed";
  readonly reason: string;
  readonly ended_at_us: number;
}
