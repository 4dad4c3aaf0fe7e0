import type { DatabaseSync } from "node:sqlite";
import { Refusal } from "./faults.ts";
import type { GroupSums } from "./group.ts";
import type { RunEntry, SinkEntry } from "./journal.ts";
import { MemberTable } from "./member-table.ts";
import { endingOf } from "./membership.ts";
import type { FrameFacts, StartFacts } from "./messages.ts";
import { resumptionOf, runPruned } from "./rows.ts";
import { newSink, reopened, rowOfSink, SAVE_SINK, sinkReader } from "./sinks.ts";
import { endsRun } from "./summary.ts";

/** What the life of a run depends on. */
export interface LiveRun {
  readonly number: number;
  readonly state: RunEntry["state"];
  readonly prunedAtUs: number;
  /** The last resume record, as JSON; empty for none. */
  readonly resume: string;
  /** Empty for a run of one process. */
  readonly group: string;
}

/** Begins, resumes, joins and ends runs, within the caller's transaction. */
export class RunLife {
  readonly #sums: GroupSums;
  readonly #members: MemberTable;
  readonly #sinksOf: (run: number) => readonly SinkEntry[];
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: DatabaseSync, file: string, sums: GroupSums) {
    this.#sums = sums;
    this.#members = new MemberTable(db);
    this.#sinksOf = sinkReader(db, file, "sinks.run = ?");
    this.#sql = prepare(db);
  }

  /** Whether a frame is the start of a member of the group that writes the run. Throws Refusal when it was pruned. */
  joins(runId: string, run: LiveRun, { start }: FrameFacts): boolean {
    if (run.group === "" || start?.member?.group !== run.group) return false;
    if (run.prunedAtUs > 0) throw runPruned(runId, run.prunedAtUs);
    return true;
  }

  /** Throws Refusal for a start that is not the run's own. */
  checkSameStart(runId: string, run: LiveRun, { start }: FrameFacts): void {
    if (start === undefined || this.#sql.start.get(run.number)?.["start"] === start.json) return;
    throw new Refusal("RUN_EXISTS", `The run ${runId} exists with another start record.`, {
      field: "run_id",
      mend: "Make a new run id; to go on with a run, send frames without a start record.",
    });
  }

  /** Throws Refusal unless the run can be resumed. */
  checkResume(runId: string, run: LiveRun): void {
    if (run.prunedAtUs > 0) throw runPruned(runId, run.prunedAtUs);
    if (run.group === "") return;
    throw new Refusal("INVALID_ARGUMENT", `The run ${runId} is that of the group ${run.group}.`, {
      field: "resume",
      mend: "Start it again with its group and rank instead of resuming it.",
    });
  }

  /** Whether a frame says nothing but an end that is known. */
  endedAgain(run: LiveRun, facts: FrameFacts): boolean {
    if (facts.end?.alone !== true) return false;
    if (run.group === "") return facts.end.state === run.state;
    return this.#members.hasEnded(run.number, this.#ending(run.number, facts));
  }

  /** Whether a run that has ended takes a frame still: a member has not ended, whose place a newer one took. */
  isOpen(run: LiveRun): boolean {
    return run.group !== "" && run.prunedAtUs === 0 && this.#members.hasOpen(run.number);
  }

  /** The number of the new run. */
  start(runId: string, writerId: string, start: StartFacts, sinks: readonly string[]): number {
    const { json, name, startedAtUs, member } = start;
    const { lastInsertRowid } = this.#sql.addRun.run(runId, name, json, startedAtUs, member?.group ?? "");
    const number = Number(lastInsertRowid);
    if (member !== undefined) this.#members.join(number, writerId, member.rank, start);
    this.#sinks(runId, number, sinks);
    this.#sums.runStarted();
    return number;
  }

  /** A member begins to write: the run goes on, unless a newer one of its rank has ended. */
  join(run: LiveRun, { runId, writerId, start }: FrameFacts, sinks: readonly string[]): void {
    if (start?.member === undefined) return;
    const counts = this.#members.join(run.number, writerId, start.member.rank, start);
    if (counts) this.#sql.setStart.run(start.json, start.name, start.startedAtUs, run.number);
    this.#sinks(runId, run.number, sinks);
    if (run.state === "running") return;
    this.reopenSinks(run.number);
    if (this.#members.outcome(run.number) !== undefined) return;
    this.#sums.runResumed();
    this.#sql.goOn.run(run.number);
  }

  /** An ended run is running again, and the sinks that were done with it are open again, where they stood. */
  resume({ number, state }: LiveRun, json: string): void {
    this.#sql.goOn.run(number);
    this.#sql.setResume.run(json, number);
    if (state === "running") return;
    this.#sums.runResumed();
    this.reopenSinks(number);
  }

  /** What comes behind the end of a run is sent to the sinks that were done with it. */
  reopenSinks(run: number): void {
    for (const sink of this.#sinksOf(run)) {
      if (sink.state === "done") this.#sql.saveSink.run(...rowOfSink(run, reopened(sink)));
    }
  }

  /** Takes in the end of a run or of a member; `before` is the run as it was before the frame, undefined for a new one. */
  end(run: number, before: LiveRun | undefined, facts: FrameFacts): void {
    const { end, start, resume } = facts;
    if (end === undefined) return;
    const group = before?.group ?? start?.member?.group ?? "";
    let outcome: Pick<typeof end, "state" | "reason" | "endedAtUs"> | undefined = end;
    if (group !== "") {
      this.#members.end(run, this.#ending(run, facts), end);
      outcome = this.#members.outcome(run);
    } else if (!endsRun(facts, resume ?? resumptionOf(before?.resume ?? ""))) return;
    if (outcome === undefined) return;
    const { state, reason, endedAtUs } = outcome;
    const { changes } = this.#sql.endRun.run(state, reason, endedAtUs, run);
    if (changes > 0) this.#sums.runEnded();
  }

  /** The member that a frame's end is of; undefined for all. */
  #ending(run: number, facts: FrameFacts): string | undefined {
    const ending = endingOf(facts, (writerId) => this.#members.has(run, writerId));
    return ending === "all" ? undefined : ending.writerId;
  }

  #sinks(runId: string, run: number, specs: readonly string[]): void {
    if (specs.length === 0) return;
    const known = new Set(this.#sinksOf(run).map(({ spec }) => spec));
    for (const spec of new Set(specs)) {
      if (!known.has(spec)) this.#sql.saveSink.run(...rowOfSink(run, newSink(runId, spec)));
    }
  }
}

function prepare(db: DatabaseSync) {
  return {
    start: db.prepare("SELECT start FROM runs WHERE number = ?"),
    addRun: db.prepare(
      "INSERT INTO runs (run_id, name, start, started_at_us, group_id) VALUES (?, ?, ?, ?, ?)",
    ),
    setStart: db.prepare("UPDATE runs SET start = ?, name = ?, started_at_us = ? WHERE number = ?"),
    goOn: db.prepare("UPDATE runs SET state = 'running', reason = '', ended_at_us = 0 WHERE number = ?"),
    setResume: db.prepare("UPDATE runs SET resume = ? WHERE number = ?"),
    endRun: db.prepare(`
      UPDATE runs SET state = ?, reason = ?, ended_at_us = ? WHERE number = ? AND state = 'running'`),
    saveSink: db.prepare(SAVE_SINK),
  };
}
