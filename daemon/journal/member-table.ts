import type { DatabaseSync } from "node:sqlite";
import type { RunStart } from "@pipekit/proto";
import type { MemberEntry } from "./journal.ts";
import { comesFirst, type MemberRow, type Membership, type Outcome, outcomeOf } from "./membership.ts";
import type { FrameFacts, StartFacts } from "./messages.ts";

/** Puts a row in, in the order of the columns. */
export const ADD_MEMBER = "INSERT OR IGNORE INTO members VALUES (?, ?, ?, ?, ?, ?, ?)";

/** The members of groups, as the writer keeps them. Each call takes the number of the run. */
export class MemberTable {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: DatabaseSync) {
    this.#sql = prepare(db);
  }

  /** Adds a member; true when the start is now the one that counts. */
  join(run: number, writerId: string, rank: number, start: StartFacts): boolean {
    const first = this.#sql.first.get(run) as Pick<MemberRow, "rank" | "writer_id"> | undefined;
    const { changes } = this.#sql.add.run(run, writerId, rank, start.json, "running", "", 0);
    if (changes === 0) return false;
    return (
      first === undefined || comesFirst({ rank, writerId }, { rank: first.rank, writerId: first.writer_id })
    );
  }

  has(run: number, writerId: string): boolean {
    return this.#sql.state.get(run, writerId) !== undefined;
  }

  /** Whether a member has not ended, be it that a newer one of its rank has taken its place. */
  hasOpen(run: number): boolean {
    return this.#sql.open.get(run) !== undefined;
  }

  /** Whether an end of this member, or of all, would change nothing. */
  hasEnded(run: number, writerId: string | undefined): boolean {
    if (writerId === undefined) return !this.hasOpen(run);
    return (this.#sql.state.get(run, writerId)?.["state"] ?? "running") !== "running";
  }

  /** Ends a member, or all that have not ended. */
  end(run: number, writerId: string | undefined, end: NonNullable<FrameFacts["end"]>): void {
    const outcome = [end.state, end.reason, end.endedAtUs, run] as const;
    if (writerId === undefined) this.#sql.endAll.run(...outcome);
    else this.#sql.end.run(...outcome, writerId);
  }

  /** How the run has ended by its members; undefined while it runs. */
  outcome(run: number): Outcome | undefined {
    // The newest of a rank writes: as a rule so, and cheap to see among thousands.
    if (this.#sql.newestOpen.get(run) !== undefined) return undefined;
    return outcomeOf((this.#sql.all.all(run) as unknown as MemberRow[]).map(membershipOf));
  }
}

/** Reads the members of a run, by rank, the oldest writer of a rank first. */
export function memberReader(db: DatabaseSync): (run: number) => readonly MemberEntry[] {
  const rows = db.prepare(`
    SELECT members.*, ifnull(at_us, 0) AS seen_at_us
    FROM members LEFT JOIN writers ON writers.writer_id = members.writer_id
    WHERE members.run = ? ORDER BY rank, members.writer_id`);
  return (run) =>
    (rows.all(run) as unknown as (MemberRow & { readonly seen_at_us: number })[]).map((row) => ({
      writerId: row.writer_id,
      rank: row.rank,
      start: JSON.parse(row.start) as RunStart,
      state: row.state,
      reason: row.reason,
      endedAtUs: row.ended_at_us,
      seenAtUs: row.seen_at_us,
    }));
}

function membershipOf({ writer_id, rank, state, reason, ended_at_us }: MemberRow): Membership {
  const outcome = state === "running" ? undefined : { state, reason, endedAtUs: ended_at_us };
  return { writerId: writer_id, rank, outcome };
}

function prepare(db: DatabaseSync) {
  return {
    first: db.prepare("SELECT rank, writer_id FROM members WHERE run = ? ORDER BY rank, writer_id LIMIT 1"),
    add: db.prepare(ADD_MEMBER),
    state: db.prepare("SELECT state FROM members WHERE run = ? AND writer_id = ?"),
    open: db.prepare("SELECT 1 FROM members WHERE run = ? AND state = 'running' LIMIT 1"),
    newestOpen: db.prepare(`
      SELECT 1 FROM members AS one WHERE run = ? AND state = 'running' AND NOT EXISTS (
        SELECT 1 FROM members AS newer
        WHERE newer.run = one.run AND newer.rank = one.rank AND newer.writer_id > one.writer_id) LIMIT 1`),
    all: db.prepare("SELECT * FROM members WHERE run = ?"),
    end: db.prepare(`
      UPDATE members SET state = ?, reason = ?, ended_at_us = ?
      WHERE run = ? AND writer_id = ? AND state = 'running'`),
    endAll: db.prepare(
      "UPDATE members SET state = ?, reason = ?, ended_at_us = ? WHERE run = ? AND state = 'running'",
    ),
  };
}
