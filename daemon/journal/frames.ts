import type { DatabaseSync } from "node:sqlite";
import { bodyCrc } from "./checksum.ts";
import { Refusal } from "./faults.ts";
import type { GroupSums } from "./group.ts";
import type { AppendResult, LostFrames } from "./journal.ts";
import { type LiveRun, RunLife } from "./life.ts";
import { mayLackFrames } from "./lost-frames.ts";
import type { FrameFacts, WriteCalls } from "./messages.ts";
import { type KnownWriter, WriterTable } from "./writers.ts";

interface RunRow extends LiveRun {
  readonly lastPosition: number;
}

/** What became of a frame. `stored` tells whether records came in, `resumed` whether they go on with the run. */
interface Appended {
  readonly result: AppendResult;
  readonly stored: boolean;
  readonly resumed: boolean;
}

const DUPLICATE: Appended = { result: "duplicate", stored: false, resumed: false };

/** Writes frames, within the caller's transaction. */
export class FrameWriter {
  readonly #sums: GroupSums;
  readonly #writers: WriterTable;
  readonly #life: RunLife;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #restoredAtUs: number | undefined;
  #gaps: LostFrames[] = [];

  /** `restoredAtUs` as in WorkerSetup. */
  constructor(db: DatabaseSync, file: string, sums: GroupSums, restoredAtUs: number | undefined) {
    this.#sums = sums;
    this.#writers = new WriterTable(db, file);
    this.#life = new RunLife(db, file, sums);
    this.#sql = prepare(db);
    this.#restoredAtUs = restoredAtUs;
  }

  /** The frames that were missed since the last call. */
  takeGaps(): readonly LostFrames[] {
    const gaps = this.#gaps;
    this.#gaps = [];
    return gaps;
  }

  /** Throws Refusal, before the first write. `onlyBehind` needs the sums of the group to be written. */
  append(args: WriteCalls["append"]["args"], atUs: number): Appended {
    const { facts, body, sinks, onlyBehind } = args;
    const { runId, writerId, seq } = facts;
    const run = this.#sql.run.get(runId) as RunRow | undefined;
    const writer = this.#writer(facts, run);
    const lastSeq = writer?.lastSeq ?? 0;
    if (seq <= lastSeq) return DUPLICATE;
    if (run !== undefined) return this.#goOn(run, writer, args, atUs);
    if (facts.start === undefined) throw noSuchRun(runId);
    if (onlyBehind !== undefined) return { ...DUPLICATE, result: "overtaken" };
    checkNoGap(facts, lastSeq);
    const number = this.#life.start(runId, writerId, facts.start, sinks);
    this.#writers.set(writerId, { run: number, lastSeq: seq }, atUs);
    this.#addFrame(number, undefined, facts, body, atUs);
    return { result: "appended", stored: true, resumed: false };
  }

  #goOn(
    run: RunRow,
    writer: KnownWriter | undefined,
    { facts, body, sinks, onlyBehind, afterEnd }: WriteCalls["append"]["args"],
    atUs: number,
  ): Appended {
    const { runId, writerId, seq, resume, empty } = facts;
    const hasEnded = run.state !== "running";
    if (resume !== undefined) this.#life.checkResume(runId, run);
    if (onlyBehind !== undefined && run.lastPosition !== onlyBehind)
      return { ...DUPLICATE, result: "overtaken" };
    const endedAgain = this.#life.endedAgain(run, facts);
    const joins = this.#life.joins(runId, run, facts);
    const isLate = hasEnded && !joins && resume === undefined;
    const isOpen = (afterEnd === true && run.prunedAtUs === 0) || this.#life.isOpen(run);
    if (isLate && !endedAgain && !isOpen) throw runEnded(facts, run);
    if (!joins) this.#life.checkSameStart(runId, run, facts);
    this.#checkGap(facts, writer);
    this.#writers.set(writerId, { run: run.number, lastSeq: seq }, atUs);
    if (endedAgain) return DUPLICATE;
    if (resume !== undefined) this.#life.resume(run, resume.json);
    if (joins) this.#life.join(run, facts, sinks);
    if (isLate && !empty) this.#life.reopenSinks(run.number);
    if (!empty) this.#addFrame(run.number, run, facts, body, atUs);
    const resumed = resume !== undefined || joins || (isLate && !empty);
    return { result: "appended", stored: !empty, resumed };
  }

  #addFrame(
    run: number,
    before: RunRow | undefined,
    facts: FrameFacts,
    body: Uint8Array,
    atUs: number,
  ): void {
    const { writerId, seq, points, start } = facts;
    const position = Number(this.#sql.nextPosition.get()?.["position"]);
    this.#sql.addFrame.run(position, run, writerId, seq, points, body, bodyCrc(position, body), atUs);
    for (const [name, value] of [...(start?.tags ?? []), ...facts.tags])
      this.#sql.setTag.run(run, name, value);
    for (const [name, value] of facts.params) this.#sql.setParam.run(run, name, value);
    for (const artifact of facts.artifacts) this.#sql.addArtifact.run(run, artifact);
    this.#life.end(run, before, facts);
    this.#sums.frameAdded(run, position, points, body.byteLength, facts.series);
  }

  /** A writer may lack the frames that were acknowledged between a backup and its restore, once. */
  #checkGap(facts: FrameFacts, writer: KnownWriter | undefined): void {
    const { runId, writerId, seq } = facts;
    const lastSeq = writer?.lastSeq ?? 0;
    const lacks = seq > lastSeq + 1 && mayLackFrames(writerId, writer?.atUs, this.#restoredAtUs);
    if (lacks) this.#gaps.push({ runId, writerId, from: lastSeq + 1, to: seq - 1 });
    else checkNoGap(facts, lastSeq);
  }

  /** The row of the frame's writer; undefined for a new one. Refuses a writer of another run. */
  #writer(frame: FrameFacts, run: RunRow | undefined): KnownWriter | undefined {
    const writer = this.#writers.get(frame.writerId);
    if (writer === undefined || writer.run === run?.number) return writer;
    throw new Refusal(
      "INVALID_FRAME",
      `The writer ${frame.writerId} writes another run than ${frame.runId}.`,
      {
        field: "writer_id",
        mend: "Use a new writer for each run.",
      },
    );
  }
}

function prepare(db: DatabaseSync) {
  return {
    run: db.prepare(`
      SELECT number, state, last_position AS lastPosition, pruned_at_us AS prunedAtUs, resume, group_id AS "group"
      FROM runs WHERE run_id = ?`),
    nextPosition: db.prepare(`
      SELECT 1 + max(ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'frames'), 0),
        ifnull((SELECT max(position) FROM frames), 0)) AS position`),
    addFrame: db.prepare("INSERT INTO frames VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
    setTag: db.prepare("INSERT OR REPLACE INTO tags VALUES (?, ?, ?)"),
    setParam: db.prepare("INSERT OR REPLACE INTO params VALUES (?, ?, ?)"),
    addArtifact: db.prepare("INSERT INTO artifacts (run, artifact) VALUES (?, ?)"),
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
