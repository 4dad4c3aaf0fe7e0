/** What the tests of importing share: programs of other tools that log, an import by the client, and what is here then. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { type Client, type ImportedRun, ImportOutcome, type ImportRunsOptions } from "@pipekit/experiment";
import { toolPath } from "../support/tools.ts";

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

/** Runs a script with the Python that has the tools; `input` becomes JSON on its standard input. Gives what it prints. */
export async function python(
  script: string,
  input: unknown,
  {
    cwd,
    args = [],
    env = {},
  }: { cwd: string; args?: readonly string[]; env?: Readonly<Record<string, string>> },
): Promise<string> {
  const child = spawn(toolPath("python"), [join(import.meta.dirname, script), ...args], {
    cwd,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: cwd,
      DO_NOT_TRACK: "true",
      MLFLOW_DISABLE_TELEMETRY: "true",
      ...env,
    },
    timeout: 90_000,
  });
  let printed = "";
  let complaints = "";
  child.stdout.on("data", (chunk) => {
    printed += chunk;
  });
  child.stderr.on("data", (chunk) => {
    complaints += chunk;
  });
  child.stdin.end(JSON.stringify(input));
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`${script} ended with ${code}: ${complaints.slice(-3000)}`);
  return printed;
}
