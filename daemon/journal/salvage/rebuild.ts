import type { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import { numberOf } from "../schema.ts";
import { TOTALS } from "../tables.ts";
import { WriterTable } from "../writers.ts";
import type { FrameKeeper, PositionRange } from "./frames.ts";
import { type FoundRun, type Harvest, nameOf } from "./harvest.ts";
import { RunRebuilder } from "./runs.ts";
import { type NewRun, SinkRebuilder } from "./sinks.ts";

/** Makes all tables of a new journal but that of its frames, which are there. */
export class Rebuild {
  readonly lostFrames: readonly PositionRange[];
  readonly #db: DatabaseSync;
  readonly #file: string;
  readonly #keeper: FrameKeeper;
  readonly #found: Harvest;
  readonly #reasons: string[];
  readonly #runs: RunRebuilder;
  /** What the tables say of runs, by id. */
  readonly #rows: ReadonlyMap<string, FoundRun>;
  /** Run ids to numbers in the damaged journal. */
  readonly #oldNumbers: ReadonlyMap<string, number>;
  /** Ids of runs that were pruned, beyond doubt. */
  readonly #pruned: ReadonlySet<string>;
  readonly #lastPosition: number;
  readonly #written = new Map<string, NewRun>();
  /** Writer to its run and the seq of its last frame that is left. */
  readonly #lastSeqs = new Map<string, { readonly run: number; readonly lastSeq: number }>();

  /** `file` is the new journal. What a person should know is added to `reasons`. */
  constructor(db: DatabaseSync, file: string, keeper: FrameKeeper, found: Harvest, reasons: string[]) {
    this.#db = db;
    this.#file = file;
    this.#keeper = keeper;
    this.#found = found;
    this.#reasons = reasons;
    this.#runs = new RunRebuilder(db, found, reasons);
    for (const { number, runId } of found.runs.values()) keeper.vote(number, runId);
    const ids = keeper.oldNumbers();
    this.#oldNumbers = new Map([...ids].map(([number, id]) => [id, number]));
    this.#rows = rowsById(ids, found);
    const rows = [...this.#rows.values()];
    const pruned = rows.filter((row) => this.#runs.isSealed(row));
    this.#pruned = new Set(pruned.map(({ runId }) => runId));
    const cursors = [...found.sinks.values()].map(([, , , position]) => Number(position));
    const positions = rows.map(({ lastPosition }) => lastPosition);
    this.#lastPosition = keeper.lastPosition([...positions, ...cursors, found.sequences.get("frames") ?? 0]);
    this.lostFrames = keeper.lost(this.#lastPosition, new Set(pruned.map(({ number }) => number)));
  }

  /** Writes the tables, in the caller's transaction. */
  async write(signal: AbortSignal | undefined): Promise<void> {
    for (const [runId, number] of this.#keeper.numbers) {
      signal?.throwIfAborted();
      if (!this.#pruned.has(runId)) this.#writeRun(runId, number);
      // Given up by pruning and not yet overwritten.
      else this.#db.prepare("DELETE FROM frames WHERE run = ?").run(number);
      await nextTurn();
    }
    for (const [runId, row] of this.#rows) if (!this.#written.has(runId)) this.#writeRow(runId, row);
    const byOldNumber = new Map([...this.#written.values()].map((run) => [run.oldNumber, run]));
    this.#writeWriters(byOldNumber);
    this.#writeSinks(byOldNumber);
    this.#writeSequences();
    this.#db.exec(`UPDATE totals SET (frames, points, runs, runs_running, dead_letters) = (${TOTALS})`);
  }

  #writeRun(runId: string, number: number): void {
    const row = this.#rows.get(runId);
    const summary = this.#runs.writeFromFrames(number, runId, row, this.lostFrames.length > 0);
    for (const [writer, lastSeq] of summary.writers) this.#lastSeqs.set(writer, { run: number, lastSeq });
    this.#written.set(runId, { runId, number, oldNumber: this.#oldNumbers.get(runId) });
  }

  #writeRow(runId: string, row: FoundRun): void {
    // Without frames and seal, a second place has to tell that there was a run of this id.
    const known = this.#pruned.has(runId) || this.#found.named.has(nameOf(row.number, runId));
    if (!known || !this.#runs.hasStart(row)) {
      this.#reasons.push(
        `A run of which no frame is left is left out: its row is damaged (${JSON.stringify(runId)}).`,
      );
      return;
    }
    const number = this.#keeper.numberOf(runId);
    if (row.prunedAtUs > 0 && !this.#pruned.has(runId)) {
      this.#reasons.push(`What was kept of the pruned run ${runId} is damaged.`);
    }
    this.#runs.writeFromRows(number, row);
    this.#written.set(runId, { runId, number, oldNumber: row.number });
  }

  #writeWriters(runs: ReadonlyMap<number | undefined, NewRun>): void {
    for (const [writerId, row] of this.#found.writers) {
      const run = runs.get(Number(row[1]));
      const known = this.#lastSeqs.get(writerId);
      if (run === undefined || (known !== undefined && known.run !== run.number)) continue;
      this.#lastSeqs.set(writerId, {
        run: run.number,
        lastSeq: Math.max(known?.lastSeq ?? 0, Number(row[2])),
      });
    }
    const table = new WriterTable(this.#db, this.#file);
    for (const [writerId, row] of this.#lastSeqs) table.set(writerId, row, 0);
  }

  #writeSinks(runs: ReadonlyMap<number | undefined, NewRun>): void {
    const sinks = new SinkRebuilder(this.#db);
    const without = new Set([...this.#written.values()].filter((run) => this.#hadSinks(run)));
    for (const row of this.#found.sinks.values()) {
      const run = runs.get(Number(row[0]));
      if (run === undefined) continue;
      const asIs = this.#pruned.has(run.runId);
      if (asIs ? sinks.writeSinkAsIs(run, row) : sinks.writeSink(run, row)) without.delete(run);
    }
    for (const { runId } of without) {
      this.#reasons.push(`The sinks of run ${runId} are lost: add them again with \`pkx sync\`.`);
    }
    for (const [id, row] of this.#found.letters) {
      const run = runs.get(Number(row[0]));
      if (run !== undefined) sinks.writeLetter(run, id, row);
    }
  }

  /** Whether the run was started with sinks. */
  #hadSinks({ number }: NewRun): boolean {
    const start = this.#db.prepare("SELECT start FROM runs WHERE number = ?").get(number)?.["start"];
    const { sinks, tracker } = JSON.parse(String(start)) as { sinks?: unknown[]; tracker?: string };
    return (Array.isArray(sinks) && sinks.length > 0) || (typeof tracker === "string" && tracker !== "");
  }

  /** No position or id is given twice. */
  #writeSequences(): void {
    const letters = numberOf(this.#db, "SELECT ifnull(max(id), 0) FROM dead_letters");
    const lastLetter = Math.max(letters, this.#found.sequences.get("dead_letters") ?? 0);
    this.#db.exec("DELETE FROM sqlite_sequence");
    const sequence = this.#db.prepare("INSERT INTO sqlite_sequence VALUES (?, ?)");
    sequence.run("frames", this.#lastPosition);
    sequence.run("dead_letters", lastLetter);
  }
}

/** Rows of runs, by id. A row whose id is not the one that most rows give its number is damaged. */
function rowsById(ids: ReadonlyMap<number, string>, found: Harvest): ReadonlyMap<string, FoundRun> {
  const rows = [...found.runs.values()].flatMap((row) => {
    const runId = ids.get(row.number);
    return runId === undefined ? [] : [[runId, { ...row, runId }] as const];
  });
  return new Map(rows);
}
