import type { DatabaseSync } from "node:sqlite";
import { bodyCrc } from "./checksum.ts";
import { Refusal } from "./faults.ts";
import type { GroupSums } from "./group.ts";
import type { AppendResult, RunEntry, SinkEntry } from "./journal.ts";
import type { FrameFacts, ResumeFacts, StartFacts, WriteCalls } from "./messages.ts";
import { resumptionOf, runPruned } from "./rows.ts";
import { newSink, reopened, rowOfSink, SAVE_SINK, sinkReader } from "./sinks.ts";
import { endsRun } from "./summary.ts";
import { WriterTable } from "./writers.ts";

interface RunRow {
  readonly number: number;
  readonly state: RunEntry["state"];
  readonly lastPosition: number;
  readonly prunedAtUs: number;
  readonly resume: string;
}

/** What became of a frame. `stored` tells whether records came in, `resumed` whether they go on with the run. */
interface Appended {
  readonly result: AppendResult;
  readonly stored: boolean;
  readonly resumed: boolean;
}

const DUPLICATE: Appended = { result: "duplicate", stored: false, resumed: false };

/** Writes frames, and the runs that they start and end, within the caller's transaction. */
export class FrameWriter {
  readonly #sums: GroupSums;
  readonly #writers: WriterTable;
  readonly #sinksOf: (run: number) => readonly SinkEntry[];
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: DatabaseSync, file: string, sums: GroupSums) {
    this.#sums = sums;
    this.#writers = new WriterTable(db, file);
    this.#sinksOf = sinkReader(db, file, "sinks.run = ?");
    this.#sql = prepare(db);
  }

  /** Throws Refusal, before the first write. `onlyBehind` needs the sums of the group to be written. */
  append({ facts, body, sinks, onlyBehind }: WriteCalls["append"]["args"], atUs: number): Appended {
    const { runId, writerId, seq } = facts;
    const run = this.#sql.run.get(runId) as RunRow | undefined;
    const lastSeq = this.#lastSeq(facts, run);
    if (seq <= lastSeq) return DUPLICATE;
    if (run === undefined && facts.start === undefined) throw noSuchRun(runId);
    const resumed = facts.resume !== undefined;
    if (resumed && run !== undefined && run.prunedAtUs > 0) throw runPruned(runId, run.prunedAtUs);
    if (onlyBehind !== undefined && run?.lastPosition !== onlyBehind)
      return { ...DUPLICATE, result: "overtaken" };
    const endedAgain = facts.end?.alone === true && facts.end.state === run?.state;
    if (run !== undefined && run.state !== "running" && !endedAgain && !resumed) throw runEnded(facts, run);
    if (run !== undefined && facts.start !== undefined) this.#checkSameStart(runId, facts.start, run);
    checkNoGap(facts, lastSeq);
    const number = run?.number ?? this.#startRun(runId, facts.start, sinks);
    this.#writers.set(writerId, { run: number, lastSeq: seq });
    if (endedAgain) return DUPLICATE;
    if (run !== undefined && facts.resume !== undefined) this.#resumeRun(run, facts.resume);
    if (!facts.empty) this.#addFrame(number, facts, run?.resume ?? "", body, atUs);
    return { result: "appended", stored: !facts.empty, resumed };
  }

  /** An ended run is running again, and the sinks that were done with it are open again, where they stood. */
  #resumeRun({ number, state }: RunRow, { json }: ResumeFacts): void {
    this.#sql.resumeRun.run(json, number);
    if (state === "running") return;
    this.#sums.runResumed();
    for (const sink of this.#sinksOf(number)) {
      if (sink.state === "done") this.#sql.saveSink.run(...rowOfSink(number, reopened(sink)));
    }
  }

  #addFrame(run: number, facts: FrameFacts, resumed: string, body: Uint8Array, atUs: number): void {
    const { writerId, seq, points } = facts;
    const position = Number(this.#sql.nextPosition.get()?.["position"]);
    this.#sql.addFrame.run(position, run, writerId, seq, points, body, bodyCrc(position, body), atUs);
    for (const [name, value] of facts.tags) this.#sql.setTag.run(run, name, value);
    for (const [name, value] of facts.params) this.#sql.setParam.run(run, name, value);
    for (const artifact of facts.artifacts) this.#sql.addArtifact.run(run, artifact);
    if (facts.end !== undefined && endsRun(facts, facts.resume ?? resumptionOf(resumed))) {
      this.#sql.endRun.run(facts.end.state, facts.end.reason, facts.end.endedAtUs, run);
      this.#sums.runEnded();
    }
    this.#sums.frameAdded(run, position, points, body.byteLength, facts.series);
  }

  /** The last seq of the frame's writer; 0 for a new one. Refuses a writer of another run. */
  #lastSeq(frame: FrameFacts, run: RunRow | undefined): number {
    const writer = this.#writers.get(frame.writerId);
    if (writer === undefined) return 0;
    if (writer.run === run?.number) return writer.lastSeq;
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
    if (start === undefined) throw noSuchRun(runId);
    const number = Number(
      this.#sql.addRun.run(runId, start.name, start.json, start.startedAtUs).lastInsertRowid,
    );
    for (const [tag, value] of start.tags) this.#sql.setTag.run(number, tag, value);
    for (const spec of new Set(sinks)) this.#sql.saveSink.run(...rowOfSink(number, newSink(runId, spec)));
    this.#sums.runStarted();
    return number;
  }
}

function prepare(db: DatabaseSync) {
  return {
    run: db.prepare(`
      SELECT number, state, last_position AS lastPosition, pruned_at_us AS prunedAtUs, resume
      FROM runs WHERE run_id = ?`),
    start: db.prepare("SELECT start FROM runs WHERE number = ?"),
    addRun: db.prepare("INSERT INTO runs (run_id, name, start, started_at_us) VALUES (?, ?, ?, ?)"),
    endRun: db.prepare("UPDATE runs SET state = ?, reason = ?, ended_at_us = ? WHERE number = ?"),
    resumeRun: db.prepare(
      "UPDATE runs SET state = 'running', reason = '', ended_at_us = 0, resume = ? WHERE number = ?",
    ),
    nextPosition: db.prepare(`
      SELECT 1 + max(ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'frames'), 0),
        ifnull((SELECT max(position) FROM frames), 0)) AS position`),
    addFrame: db.prepare("INSERT INTO frames VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
    setTag: db.prepare("INSERT OR REPLACE INTO tags VALUES (?, ?, ?)"),
    setParam: db.prepare("INSERT OR REPLACE INTO params VALUES (?, ?, ?)"),
    addArtifact: db.prepare("INSERT INTO artifacts (run, artifact) VALUES (?, ?)"),
    saveSink: db.prepare(SAVE_SINK),
  };
}

function checkNoGap(frame: FrameFacts, lastSeq: number): void {
  if (frame.seq === lastSeq + 1) return;
  throw new Refusal(
    "INVALID_FRAME",
    `The writer ${frame.writerId} left a gap: seq ${lastSeq + 1} was expected and ${frame.seq} came.`,
    { field: "seq", mend: `Send the frames from seq ${lastSeq + 1} on again.` },
  );
}

/** RUN_NOT_FOUND for a write. */
export function noSuchRun(runId: string): Refusal {
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
      mend: "Start a new run, or go on with this one: start_run(run_id=..., resume=True).",
    },
  );
}
