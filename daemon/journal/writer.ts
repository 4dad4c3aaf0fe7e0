import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { type Fault, Refusal, toFault } from "./faults.ts";
import { GroupSums } from "./group.ts";
import type { AppendResult, SinkEntry } from "./journal.ts";
import type { Answer, CallOf, FrameFacts, StartFacts, WorkerReport, WriteCalls } from "./messages.ts";
import { isOpen, newSink, sinkDetail } from "./sinks.ts";

/** One thing to write. */
export type WriteCall = CallOf<WriteCalls>;

interface RunRow {
  readonly number: number;
  readonly state: "running" | "completed" | "failed";
}

/**
 * Writes groups of calls, each group in one transaction with one fsync.
 *
 * Everything is looked up in the tables, inside the transaction: the calls of a group see each other's effect, and
 * a rollback leaves nothing in memory that would have to be undone.
 */
export class GroupWriter {
  readonly #db: DatabaseSync;
  readonly #file: string;
  readonly #sums: GroupSums;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #touched = new Set<string>();

  constructor(db: DatabaseSync, file: string) {
    this.#db = db;
    this.#file = file;
    this.#sums = new GroupSums(db);
    this.#sql = prepare(db);
  }

  /** Commits what can be committed of `calls` and says what became of each. Does not throw. */
  commit(calls: readonly WriteCall[]): WorkerReport {
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      const answers = calls.map((call) => this.#apply(call));
      this.#sums.write();
      this.#db.exec("COMMIT");
      const touched = [...this.#touched];
      this.#touched.clear();
      return { answers, touched };
    } catch (error) {
      return this.#rollBack(calls, toFault(error, this.#file));
    }
  }

  /** A fault of the disk or file is everybody's; any other may be one call's, so each is tried alone. */
  #rollBack(calls: readonly WriteCall[], fault: Fault): WorkerReport {
    this.#sums.clear();
    this.#touched.clear();
    if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    if (fault.code !== "INTERNAL" || calls.length === 1) {
      return { answers: calls.map(({ id }) => ({ id, fault })), touched: [] };
    }
    const reports = calls.map((call) => this.commit([call]));
    return {
      answers: reports.flatMap((report) => report.answers),
      touched: [...new Set(reports.flatMap((report) => report.touched))],
    };
  }

  #apply(call: WriteCall): Answer {
    try {
      return { id: call.id, value: this.#write(call) };
    } catch (error) {
      // A refusal comes before the first write of its call, so that there is nothing to undo.
      if (error instanceof Refusal) return { id: call.id, fault: error.fault };
      throw error;
    }
  }

  #write(call: WriteCall): AppendResult | null {
    switch (call.kind) {
      case "append":
        return this.#append(call.args);
      case "saveSink":
        return this.#saveSink(call.args);
    }
  }

  #append({ facts, body, sinks }: WriteCalls["append"]["args"]): AppendResult {
    const run = this.#run(facts.runId);
    const lastSeq = this.#lastSeq(facts, run);
    if (facts.seq <= lastSeq) return "duplicate";
    if (run === undefined && facts.start === undefined) throw runNotFound(facts.runId);
    const endedAgain = facts.end?.alone === true && facts.end.state === run?.state;
    if (run !== undefined && run.state !== "running" && !endedAgain) throw runEnded(facts, run);
    if (run !== undefined && facts.start !== undefined) this.#checkSameStart(facts.runId, facts.start, run);
    checkNoGap(facts, lastSeq);
    const number = run?.number ?? this.#startRun(facts.runId, facts.start, sinks);
    this.#sql.setLastSeq.run(facts.writerId, number, facts.seq);
    if (endedAgain) return "duplicate";
    if (!facts.empty) this.#addFrame(number, facts, body);
    return "appended";
  }

  #addFrame(run: number, facts: FrameFacts, body: Uint8Array): void {
    const { runId, writerId, seq, points } = facts;
    const { lastInsertRowid } = this.#sql.addFrame.run(run, writerId, seq, points, body);
    for (const [name, value] of facts.tags) this.#sql.setTag.run(run, name, value);
    for (const [name, value] of facts.params) this.#sql.setParam.run(run, name, value);
    for (const artifact of facts.artifacts) this.#sql.addArtifact.run(run, artifact);
    if (facts.end !== undefined) {
      this.#sql.endRun.run(facts.end.state, facts.end.reason, facts.end.endedAtUs, run);
      this.#sums.runEnded();
    }
    this.#sums.frameAdded(run, Number(lastInsertRowid), points, facts.series);
    this.#touched.add(runId);
  }

  #saveSink({ sink, deadLetters, atUs }: WriteCalls["saveSink"]["args"]): null {
    const run = this.#run(sink.runId);
    if (run === undefined) throw runNotFound(sink.runId);
    this.#sql.saveSink.run(...sinkRow(run.number, sink));
    for (const letter of deadLetters) {
      const { spec, kind, points, reason, from, to } = letter;
      const span = [from.position, from.offset, to.position, to.offset];
      this.#sql.addDeadLetter.run(run.number, spec, kind, points, reason, ...span, atUs);
    }
    this.#sums.deadLettersAdded(deadLetters.length);
    return null;
  }

  #run(runId: string): RunRow | undefined {
    return this.#sql.run.get(runId) as RunRow | undefined;
  }

  /** The last seq of the frame's writer; 0 for a new one. Refuses a writer of another run. */
  #lastSeq(frame: FrameFacts, run: RunRow | undefined): number {
    const writer = this.#sql.writer.get(frame.writerId);
    if (writer === undefined) return 0;
    if (writer["run"] === run?.number) return Number(writer["last_seq"]);
    throw new Refusal(
      "INVALID_FRAME",
      `The writer ${frame.writerId} writes another run than ${frame.runId}.`,
      {
        field: "writer_id",
        mend: "Use a new writer for each run.",
      },
    );
  }

  #checkSameStart(runId: string, start: StartFacts, run: RunRow): void {
    if (this.#sql.start.get(run.number)?.["start"] === start.json) return;
    throw new Refusal("RUN_EXISTS", `The run ${runId} exists with another start record.`, {
      field: "run_id",
      mend: "Make a new run id; to go on with a run, send frames without a start record.",
    });
  }

  #startRun(runId: string, start: StartFacts | undefined, sinks: readonly string[]): number {
    if (start === undefined) throw runNotFound(runId);
    const number = Number(
      this.#sql.addRun.run(runId, start.name, start.json, start.startedAtUs).lastInsertRowid,
    );
    for (const [tag, value] of start.tags) this.#sql.setTag.run(number, tag, value);
    for (const spec of new Set(sinks)) this.#sql.saveSink.run(...sinkRow(number, newSink(runId, spec)));
    this.#sums.runStarted();
    return number;
  }
}

function prepare(db: DatabaseSync) {
  return {
    run: db.prepare("SELECT number, state FROM runs WHERE run_id = ?"),
    start: db.prepare("SELECT start FROM runs WHERE number = ?"),
    addRun: db.prepare("INSERT INTO runs (run_id, name, start, started_at_us) VALUES (?, ?, ?, ?)"),
    endRun: db.prepare("UPDATE runs SET state = ?, reason = ?, ended_at_us = ? WHERE number = ?"),
    writer: db.prepare("SELECT run, last_seq FROM writers WHERE writer_id = ?"),
    setLastSeq: db.prepare(
      "INSERT INTO writers VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET last_seq = excluded.last_seq",
    ),
    addFrame: db.prepare("INSERT INTO frames (run, writer_id, seq, points, body) VALUES (?, ?, ?, ?, ?)"),
    setTag: db.prepare("INSERT OR REPLACE INTO tags VALUES (?, ?, ?)"),
    setParam: db.prepare("INSERT OR REPLACE INTO params VALUES (?, ?, ?)"),
    addArtifact: db.prepare("INSERT INTO artifacts (run, artifact) VALUES (?, ?)"),
    saveSink: db.prepare("INSERT OR REPLACE INTO sinks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    addDeadLetter: db.prepare(`
      INSERT INTO dead_letters (run, spec, kind, points, reason, from_position, from_offset, to_position, to_offset,
        at_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
  };
}

function sinkRow(run: number, sink: SinkEntry): SQLInputValue[] {
  const { spec, cursor, state, pointsSent, pointsDead } = sink;
  const open = isOpen(state) ? 1 : 0;
  return [run, spec, open, cursor.position, cursor.offset, pointsSent, pointsDead, state, sinkDetail(sink)];
}

function checkNoGap(frame: FrameFacts, lastSeq: number): void {
  if (frame.seq === lastSeq + 1) return;
  throw new Refusal(
    "INVALID_FRAME",
    `The writer ${frame.writerId} left a gap: seq ${lastSeq + 1} was expected and ${frame.seq} came.`,
    { field: "seq", mend: `Send the frames from seq ${lastSeq + 1} on again.` },
  );
}

function runNotFound(runId: string): Refusal {
  return new Refusal("RUN_NOT_FOUND", `No run has the id ${runId}.`, {
    field: "run_id",
    mend: "Start the run first: its first frame begins with a start record.",
  });
}

function runEnded(facts: FrameFacts, run: RunRow): Refusal {
  return new Refusal(
    "RUN_ENDED",
    `The run ${facts.runId} has ended as ${run.state} and takes no more records.`,
    {
      field: "run_id",
      mend: "Start a new run.",
    },
  );
}
