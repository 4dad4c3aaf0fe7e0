/**
 * The importing room: runs that other tools keep, brought into the journal as runs of ours.
 *
 * Architecture Invariant: the journal alone remembers what was imported; a run that is imported again gets what it lacks.
 *
 * A run's id is made of what names it at its source (identity.ts). Its points there are compared with those here
 * (known-points.ts), so that an import that was broken off, or is repeated, goes on where it was and doubles nothing. One
 * daemon imports a run once at a time.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type PastRun, SourceError } from "@pipekit/adapters/history";
import { KeyedMutex } from "@pipekit/adapters/keyed-mutex";
import { type ImportedRun, ImportOutcome, type ImportRunsResponse, PipekitError } from "@pipekit/proto";
import { runIdOf } from "./identity.ts";
import { ImportNotes } from "./notes.ts";
import type { ImportChoice, ImportParts, Tally } from "./parts.ts";
import { RunImport } from "./run-import.ts";
import { closedTo, entryOf, isWhole } from "./run-state.ts";
import { openSource, type Source, withTypedFaults } from "./sources.ts";

export type { ImportChoice, ImportParts } from "./parts.ts";

/** Two messages are at least this far apart, milliseconds. */
const TELL_EVERY_MS = 250;
const RUNS_AT_ONCE = 4;
/** Why the journal will not have a run, which is no word on the others. */
const REFUSALS: ReadonlySet<string> = new Set([
  "INVALID_FRAME",
  "RUN_EXISTS",
  "RUN_ENDED",
  "RUN_PRUNED",
  "RUN_NOT_FOUND",
]);

const inHand = new KeyedMutex();

/** Imports, and tells how far it is. See tracker.proto for what it promises. */
export async function* importRuns(
  parts: ImportParts,
  choice: ImportChoice,
  signal: AbortSignal,
): AsyncGenerator<ImportRunsResponse> {
  const source = await openSource(parts, choice.source, signal);
  const stop = new AbortController();
  const work = new ImportWork(parts, choice, source, AbortSignal.any([signal, stop.signal]));
  let isOver = false;
  const running = work.run().finally(() => {
    isOver = true;
  });
  // Its failure is thrown below, when what was done before it is told.
  running.catch(() => {});
  try {
    while (!isOver) {
      await Promise.race([running.catch(() => {}), delay(TELL_EVERY_MS)]);
      if (!isOver) yield work.progress(false);
    }
    await running;
    yield work.progress(true);
  } finally {
    stop.abort(new Error("Nobody listens to the import any more."));
    await running.catch(() => {});
    await source.history.close();
  }
}

class ImportWork {
  readonly #parts: ImportParts;
  readonly #choice: ImportChoice;
  readonly #source: Source;
  readonly #signal: AbortSignal;
  readonly #sinks: readonly string[];
  readonly #notes: ImportNotes;
  readonly #tally: Tally = { pointsRead: 0, pointsTaken: 0 };
  readonly #unmet: Set<string>;
  #runs: ImportedRun[] = [];
  #runsRead = 0;
  #delivered = 0;
  #open = 0;

  constructor(parts: ImportParts, choice: ImportChoice, source: Source, signal: AbortSignal) {
    this.#parts = parts;
    this.#choice = choice;
    this.#source = source;
    this.#signal = signal;
    this.#notes = new ImportNotes(source.history);
    this.#unmet = new Set(choice.only);
    // What came from there is not sent back there by the way: only who names it means it.
    const others = choice.trackerSinks.filter((spec) => !source.history.isFedBy(spec));
    if (others.length < choice.trackerSinks.length) {
      this.#notes.add("The sink of the tracker that the runs come from is left out; `--to` adds it.");
    }
    this.#sinks = [...new Set([...choice.sinks, ...others])];
  }

  async run(): Promise<void> {
    await withTypedFaults(async () => {
      const runs = this.#source.history.list(this.#signal)[Symbol.asyncIterator]();
      const worker = async (): Promise<void> => {
        for (let next = await runs.next(); !next.done; next = await runs.next()) await this.#take(next.value);
      };
      const workers = Array.from({ length: RUNS_AT_ONCE }, worker);
      try {
        await Promise.all(workers);
      } finally {
        await runs.return?.();
        await Promise.allSettled(workers);
      }
    });
    for (const name of this.#unmet) this.#notes.add(`No run there has the name or id \`${name}\`.`);
    if (this.#delivered > 0)
      this.#notes.add(`${this.#delivered} runs were delivered there from here: they are not taken again.`);
    if (this.#open > 0) {
      this.#notes.add(`${this.#open} runs have not ended there: import again later for the rest.`);
    }
  }

  progress(done: boolean): ImportRunsResponse {
    const runs = this.#runs;
    this.#runs = [];
    return { runsRead: this.#runsRead, ...this.#tally, runs, notes: this.#notes.take(done), done };
  }

  async #take(run: PastRun): Promise<void> {
    this.#signal.throwIfAborted();
    const { only } = this.#choice;
    if (only.length > 0 && !only.includes(run.id) && !only.includes(run.name)) return;
    this.#unmet.delete(run.id);
    this.#unmet.delete(run.name);
    const runId = runIdOf(run);
    const result = await inHand.run(runId, () => this.#orLeftOut(run, () => this.#import(run, runId)));
    this.#runsRead++;
    this.#runs.push({ sourceId: run.id, name: run.name, runId, ...result });
  }

  async #import(run: PastRun, runId: string): Promise<Result> {
    const { journal, addSinks } = this.#parts;
    const { dryRun } = this.#choice;
    if (run.deliveredFrom !== undefined && (await entryOf(journal, run.deliveredFrom)) !== undefined) {
      this.#delivered++;
      return resultOf(ImportOutcome.IMPORT_OUTCOME_UNCHANGED, run.deliveredFrom);
    }
    const entry = await entryOf(journal, runId);
    if (entry !== undefined) {
      const reason = closedTo(run, entry);
      if (reason !== undefined) {
        this.#notes.add(reason);
        return LEFT_OUT;
      }
      if (!dryRun && this.#sinks.length > 0) await addSinks(runId, this.#sinks);
      if (isWhole(run, entry)) return resultOf(ImportOutcome.IMPORT_OUTCOME_UNCHANGED);
    }
    if (dryRun) {
      return resultOf(
        entry === undefined ? ImportOutcome.IMPORT_OUTCOME_NEW : ImportOutcome.IMPORT_OUTCOME_GROWN,
      );
    }
    const parts = {
      ...this.#parts,
      ...this.#source,
      sinks: this.#sinks,
      tally: this.#tally,
      note: (sentence: string) => this.#notes.add(sentence),
    };
    const { isOpen, ...taken } = await (await RunImport.open(parts, run, entry)).take(this.#signal);
    if (isOpen) this.#open++;
    return taken;
  }

  /** One run that cannot be read, or that the journal will not have, stops no other. */
  async #orLeftOut(run: PastRun, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      const isItsOwn =
        error instanceof SourceError || (error instanceof PipekitError && REFUSALS.has(error.code));
      if (!isItsOwn || this.#signal.aborted) throw error;
      this.#notes.add(`Run ${run.id} is not taken whole: ${error.message}`);
      return LEFT_OUT;
    }
  }
}

interface Result {
  readonly outcome: ImportOutcome;
  readonly pointsTaken: number;
  /** Of a run that is here under another id than an imported one. */
  readonly runId?: string;
}

const LEFT_OUT = resultOf(ImportOutcome.IMPORT_OUTCOME_LEFT_OUT);

function resultOf(outcome: ImportOutcome, runId?: string): Result {
  return { outcome, pointsTaken: 0, ...(runId === undefined ? {} : { runId }) };
}
