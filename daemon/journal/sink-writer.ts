import type { DatabaseSync } from "node:sqlite";
import { Refusal } from "./faults.ts";
import { noSuchRun } from "./frames.ts";
import type { GroupSums } from "./group.ts";
import type { RunEntry, SinkEntry } from "./journal.ts";
import { ADD_LETTER, rowOfLetter } from "./letters.ts";
import type { WriteCalls } from "./messages.ts";
import { newSink, reopened, rowOfSink, SAVE_SINK, sinkReader } from "./sinks.ts";

interface RunRow {
  readonly number: number;
  readonly state: RunEntry["state"];
  readonly lastPosition: number;
  readonly prunedAtUs: number;
}

/** Writes what becomes of sinks, within the caller's transaction. */
export class SinkWriter {
  readonly #sums: GroupSums;
  readonly #sinksOf: (run: number) => readonly SinkEntry[];
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: DatabaseSync, file: string, sums: GroupSums) {
    this.#sums = sums;
    this.#sinksOf = sinkReader(db, file, "sinks.run = ?");
    this.#sql = prepare(db);
  }

  /**
   * Returns the state that was saved: a sink is done only when its run has ended and it has all of it; whoever says so
   * may not know yet that the run was resumed. `done` needs the sums of the group to be written. Throws RUN_NOT_FOUND.
   */
  save({ sink, deadLetters, settled }: WriteCalls["saveSink"]["args"], atUs: number): SinkEntry["state"] {
    const { number, state, lastPosition } = this.#run(sink.runId);
    const hasMore = state === "running" || sink.cursor.position < lastPosition;
    const saved = sink.state === "done" && hasMore ? reopened(sink) : sink;
    this.#sql.saveSink.run(...rowOfSink(number, saved));
    for (const letter of deadLetters) this.#sql.addLetter.run(...rowOfLetter(number, letter, atUs));
    // Only its own: an id that was settled before, or is another sink's, takes nothing away.
    const forgotten = settled.map((id) => this.#sql.forgetLetter.run(id, number, sink.spec).changes);
    const less = forgotten.reduce<number>((sum, changes) => sum + Number(changes), 0);
    this.#sums.deadLettersAdded(deadLetters.length - less);
    return saved.state;
  }

  /** Throws RUN_NOT_FOUND, and INVALID_ARGUMENT for a new sink of a pruned run. */
  add({ runId, specs }: WriteCalls["addSinks"]["args"]): readonly SinkEntry[] {
    const { number, prunedAtUs } = this.#run(runId);
    const known = new Set(this.#sinksOf(number).map(({ spec }) => spec));
    const fresh = [...new Set(specs)].filter((spec) => !known.has(spec));
    if (fresh.length > 0 && prunedAtUs > 0) throw nothingToSend(runId);
    for (const spec of fresh) this.#sql.saveSink.run(...rowOfSink(number, newSink(runId, spec)));
    return this.#sinksOf(number).filter(({ spec }) => specs.includes(spec));
  }

  #run(runId: string): RunRow {
    const run = this.#sql.run.get(runId) as RunRow | undefined;
    if (run === undefined) throw noSuchRun(runId);
    return run;
  }
}

function prepare(db: DatabaseSync) {
  return {
    run: db.prepare(`
      SELECT number, state, last_position AS lastPosition, pruned_at_us AS prunedAtUs
      FROM runs WHERE run_id = ?`),
    saveSink: db.prepare(SAVE_SINK),
    addLetter: db.prepare(ADD_LETTER),
    forgetLetter: db.prepare("DELETE FROM dead_letters WHERE id = ? AND run = ? AND spec = ?"),
  };
}

function nothingToSend(runId: string): Refusal {
  return new Refusal(
    "INVALID_ARGUMENT",
    `The records of run ${runId} were pruned: no new sink can get them.`,
    {
      field: "run_id",
      mend: "Copy the run within the trackers that have it.",
    },
  );
}
