import type { DatabaseSync } from "node:sqlite";
import { Refusal } from "./faults.ts";
import { noSuchRun } from "./frames.ts";
import type { RunEntry, SinkEntry } from "./journal.ts";
import { sealOf } from "./seal.ts";
import { sinkReader } from "./sinks.ts";

interface RunRow {
  readonly number: number;
  readonly state: RunEntry["state"];
  readonly lastPosition: number;
  readonly prunedAtUs: number;
  readonly deadLetters: number;
}

/** Decides, within the caller's transaction, that a run's frames are to be forgotten; the Clearing does it. */
export class Pruner {
  readonly #db: DatabaseSync;
  readonly #sinksOf: (run: number) => readonly SinkEntry[];
  readonly #run;
  readonly #setPruned;
  readonly #setSeal;

  constructor(db: DatabaseSync, file: string) {
    this.#db = db;
    this.#sinksOf = sinkReader(db, file, "sinks.run = ?");
    this.#run = db.prepare(`
      SELECT number, state, last_position AS lastPosition, pruned_at_us AS prunedAtUs,
        (SELECT count(*) FROM dead_letters WHERE run = number) AS deadLetters
      FROM runs WHERE run_id = ?`);
    this.#setPruned = db.prepare("UPDATE runs SET pruned_at_us = ? WHERE number = ?");
    this.#setSeal = db.prepare("UPDATE runs SET seal = ? WHERE number = ?");
  }

  /** Throws RUN_NOT_FOUND, INVALID_ARGUMENT. */
  prune(runId: string, atUs: number): null {
    const run = this.#run.get(runId) as RunRow | undefined;
    if (run === undefined) throw noSuchRun(runId);
    if (run.prunedAtUs > 0) return null;
    if (run.state === "running") throw stillNeeded(runId, "it is running");
    if (run.deadLetters > 0) throw stillNeeded(runId, `it has ${run.deadLetters} dead letters`);
    for (const { spec, state, cursor } of this.#sinksOf(run.number)) {
      if (state !== "done") throw stillNeeded(runId, `the sink ${spec} is not done with it`);
      if (cursor.position < run.lastPosition) {
        throw stillNeeded(runId, `the sink ${spec} has not taken all of it`);
      }
    }
    this.#setPruned.run(atUs, run.number);
    this.#setSeal.run(sealOf(this.#db, run.number), run.number);
    return null;
  }
}

function stillNeeded(runId: string, why: string): Refusal {
  return new Refusal("INVALID_ARGUMENT", `The run ${runId} cannot be pruned: ${why}.`, {
    field: "run_id",
    mend: "See `pkx status` and `pkx dead-letters`; prune it when every sink has taken everything.",
  });
}
