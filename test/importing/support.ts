/** What the tests of importing share: programs of other tools that log, an import by the client, and what is here then. */
import { join } from "node:path";
import { type Client, type ImportedRun, ImportOutcome, type ImportRunsOptions } from "@pipekit/experiment";
import { runPython } from "../support/python-program.ts";

export const NEW = ImportOutcome.IMPORT_OUTCOME_NEW;
export const GROWN = ImportOutcome.IMPORT_OUTCOME_GROWN;
export const UNCHANGED = ImportOutcome.IMPORT_OUTCOME_UNCHANGED;
export const LEFT_OUT = ImportOutcome.IMPORT_OUTCOME_LEFT_OUT;

/** What an import did. */
export interface Imported {
  /** By the name at the source. */
  readonly runs: ReadonlyMap<string, ImportedRun>;
  readonly outcomes: readonly ImportOutcome[];
  readonly notes: readonly string[];
  readonly pointsRead: number;
  readonly pointsTaken: number;
}

export async function importAll(
  client: Client,
  source: string,
  options: ImportRunsOptions = {},
): Promise<Imported> {
  const runs: ImportedRun[] = [];
  const notes: string[] = [];
  let last = { pointsRead: 0, pointsTaken: 0 };
  for await (const progress of client.delivery.importRuns(source, options)) {
    runs.push(...progress.runs);
    notes.push(...progress.notes);
    last = progress;
  }
  return {
    runs: new Map(runs.map((run) => [run.name, run])),
    outcomes: runs.map(({ outcome }) => outcome),
    notes,
    pointsRead: last.pointsRead,
    pointsTaken: last.pointsTaken,
  };
}

/** Key to its points in journal order: step, value, unix microseconds. */
export type Points = Readonly<Record<string, readonly (readonly [number, number, number])[]>>;

/** All points of a run here. */
export async function pointsOf(client: Client, runId: string): Promise<Points> {
  const series = await client.readSeries(runId);
  return Object.fromEntries(
    series.map(({ key, steps, values, timesUs }) => [
      key,
      Array.from(steps, (step, i) => [Number(step), values[i] ?? 0, Number(timesUs[i])] as const),
    ]),
  );
}

/** Runs a script of this folder with the Python that has the tools; `input` becomes JSON on its standard input. Gives what it prints. */
export function python(
  script: string,
  input: unknown,
  {
    cwd,
    args = [],
    env = {},
  }: { cwd: string; args?: readonly string[]; env?: Readonly<Record<string, string>> },
): Promise<string> {
  const quiet = { DO_NOT_TRACK: "true", MLFLOW_DISABLE_TELEMETRY: "true" };
  return runPython(join(import.meta.dirname, script), input, {
    cwd,
    args,
    env: { HOME: cwd, ...quiet, ...env },
  });
}
