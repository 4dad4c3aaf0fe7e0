import type { DatabaseSync } from "node:sqlite";
import { type Fault, Refusal, toFault } from "./faults.ts";
import { FrameWriter } from "./frames.ts";
import { GroupSums } from "./group.ts";
import type { CommittedGroup } from "./journal.ts";
import type { Answer, CallOf, WorkerReport, WriteCalls } from "./messages.ts";
import { Pruner } from "./pruner.ts";
import { nowUs } from "./schema.ts";
import { SinkWriter } from "./sink-writer.ts";

/** One thing to write. */
export type WriteCall = CallOf<WriteCalls>;

/**
 * Writes groups of calls, each group in one transaction with one fsync.
 *
 * Everything is looked up in the tables, inside the transaction: the calls of a group see each other's effect, and
 * a rollback leaves nothing in memory that would have to be undone.
 */
export class GroupWriter {
  readonly #db: DatabaseSync;
  readonly #file: string;
  readonly #now: () => number;
  readonly #sums: GroupSums;
  readonly #frames: FrameWriter;
  readonly #sinks: SinkWriter;
  readonly #pruner: Pruner;
  readonly #touched = new Set<string>();
  readonly #resumed = new Set<string>();
  #group = { frames: 0, points: 0, bytes: 0 };

  /** `now` tells unix microseconds; `restoredAtUs` as in WorkerSetup. */
  constructor(db: DatabaseSync, file: string, now: () => number = nowUs, restoredAtUs?: number) {
    this.#db = db;
    this.#file = file;
    this.#now = now;
    this.#sums = new GroupSums(db);
    this.#frames = new FrameWriter(db, file, this.#sums, restoredAtUs);
    this.#sinks = new SinkWriter(db, file, this.#sums);
    this.#pruner = new Pruner(db, file);
  }

  /** Commits what can be committed of `calls` and says what became of each. Does not throw. */
  commit(calls: readonly WriteCall[]): WorkerReport {
    try {
      const begun = performance.now();
      this.#db.exec("BEGIN IMMEDIATE");
      const atUs = this.#now();
      const answers = calls.map((call) => this.#apply(call, atUs));
      this.#sums.write();
      const written = performance.now();
      this.#db.exec("COMMIT");
      const done = performance.now();
      const [seconds, syncSeconds] = [(done - begun) / 1000, (done - written) / 1000];
      const group = { ...this.#group, seconds, syncSeconds };
      const [touched, resumed] = [[...this.#touched], [...this.#resumed]];
      const gaps = this.#frames.takeGaps();
      this.#forget();
      return {
        ...{ answers, touched, group },
        ...(resumed.length > 0 && { resumed }),
        ...(gaps.length > 0 && { gaps }),
      };
    } catch (error) {
      return this.#rollBack(calls, toFault(error, this.#file));
    }
  }

  /** A fault of the disk or file is everybody's; any other may be one call's, so each is tried alone. */
  #rollBack(calls: readonly WriteCall[], fault: Fault): WorkerReport {
    this.#sums.clear();
    this.#frames.takeGaps();
    this.#forget();
    if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    if (fault.code !== "INTERNAL" || calls.length === 1) {
      return { answers: calls.map(({ id }) => ({ id, fault })), touched: [] };
    }
    const reports = calls.map((call) => this.commit([call]));
    const groups = reports.flatMap(({ group }) => group ?? []);
    const gaps = reports.flatMap((report) => report.gaps ?? []);
    return {
      answers: reports.flatMap((report) => report.answers),
      touched: [...new Set(reports.flatMap((report) => report.touched))],
      resumed: [...new Set(reports.flatMap((report) => report.resumed ?? []))],
      ...(groups.length > 0 && { group: groups.reduce(sumOf) }),
      ...(gaps.length > 0 && { gaps }),
    };
  }

  #forget(): void {
    this.#touched.clear();
    this.#resumed.clear();
    this.#group = { frames: 0, points: 0, bytes: 0 };
  }

  #apply(call: WriteCall, atUs: number): Answer {
    try {
      return { id: call.id, value: this.#write(call, atUs) };
    } catch (error) {
      // A refusal comes before the first write of its call, so that there is nothing to undo.
      if (error instanceof Refusal) return { id: call.id, fault: error.fault };
      throw error;
    }
  }

  #write(call: WriteCall, atUs: number): WriteCalls[WriteCall["kind"]]["answer"] {
    switch (call.kind) {
      case "append": {
        const { facts, onlyBehind } = call.args;
        // Where the run's last frame is, is known when the sums are written: here and for a sink that is done.
        if (onlyBehind !== undefined) this.#sums.write();
        const { result, stored, resumed } = this.#frames.append(call.args, atUs);
        if (stored) {
          this.#touched.add(facts.runId);
          this.#group.frames++;
          this.#group.points += facts.points;
          this.#group.bytes += call.args.body.byteLength;
        }
        if (resumed) this.#resumed.add(facts.runId);
        return result;
      }
      case "saveSink":
        if (call.args.sink.state === "done") this.#sums.write();
        return this.#sinks.save(call.args, atUs);
      case "addSinks":
        return this.#sinks.add(call.args);
      case "prune":
        // The seal is made over what the tables say, and calls before this one may have ended the run.
        this.#sums.write();
        return this.#pruner.prune(call.args, atUs);
    }
  }
}

function sumOf(a: CommittedGroup, b: CommittedGroup): CommittedGroup {
  return {
    frames: a.frames + b.frames,
    points: a.points + b.points,
    bytes: a.bytes + b.bytes,
    seconds: a.seconds + b.seconds,
    syncSeconds: a.syncSeconds + b.syncSeconds,
  };
}
