/** `pkx import`. */
import { type ImportedRun, ImportOutcome } from "@pipekit/experiment";
import type { Command } from "commander";
import { count, counted } from "../format.ts";
import { type Commands, type Context, collect } from "./context.ts";
import { EXIT } from "./exit.ts";
import { ProgressLine } from "./progress.ts";
import { plain } from "./terminal.ts";

interface ImportSettings {
  readonly to?: readonly string[];
  readonly tracker?: string;
  readonly only?: readonly string[];
  readonly dryRun?: boolean;
}

/** What was done with runs, summed up. */
interface Sums {
  runsRead: number;
  pointsRead: number;
  pointsTaken: number;
  /** By run: one that is told of again, after a restart of the daemon, counts as at first. */
  readonly outcomes: Map<string, ImportOutcome>;
}

const SOURCES = `
Sources:
  mlflow+http://HOST[:PORT][/EXPERIMENT]   an MLflow tracking server; ?token=env:NAME and the like, as in tracker specs
  FOLDER/mlruns, FILE/mlflow.db            an MLflow store in files or in SQLite (also sqlite:///FILE)
  FOLDER/wandb, FILE.wandb                 what W&B's client keeps, offline or not
  FOLDER                                   TensorBoard event files, in it and below
  FOLDER                                   what neptune-exporter made (?step_multiplier=N: neptune+export:///FOLDER?...)

Doing it again, also after it was broken off, takes what is new there and doubles nothing.`;

export function addImportCommand(program: Command, commands: Commands): void {
  const command = program
    .command("import")
    .description("bring runs that MLflow, W&B, TensorBoard or Neptune keeps here, and on to trackers")
    .argument("<source>", "a path, or the spec of a server")
    .option(
      "--to <spec>",
      "tracker spec for the runs; may be repeated (default: the journal alone keeps them)",
      collect,
    )
    .option("--tracker <name>", "a tracker named in the daemon's config")
    .option("--only <run>", "only runs of this name or id; may be repeated", collect)
    .option("--dry-run", "only tell which runs there are")
    .addHelpText("after", SOURCES);
  commands.define<ImportSettings>(command, {
    examples: `pkx import mlruns --dry-run
pkx import sqlite:///mlflow.db --to tensorboard:///tmp/events
pkx import mlflow+https://mlflow.example.com/vision --tracker everywhere
pkx import wandb --only 3fk2a9zq --json`,
    run: runImport,
  });
}

async function runImport(
  context: Context,
  [source = ""]: readonly string[],
  settings: ImportSettings,
): Promise<number> {
  const { to: sinks, tracker, only, dryRun = false } = settings;
  const line = new ProgressLine(context.terminal);
  const sums: Sums = { runsRead: 0, pointsRead: 0, pointsTaken: 0, outcomes: new Map() };
  const notes: string[] = [];
  /** What an earlier daemon had done, when one that follows it counts from 0. */
  const before = { points: 0, taken: 0 };
  let isDone = false;
  try {
    await context.withClient(async (client) => {
      const options = { sinks, tracker, only, dryRun, signal: context.signal };
      for await (const progress of client.delivery.importRuns(source, options)) {
        if (progress.runsRead < sums.runsRead)
          Object.assign(before, { points: sums.pointsRead, taken: sums.pointsTaken });
        Object.assign(sums, {
          runsRead: progress.runsRead,
          pointsRead: before.points + progress.pointsRead,
          pointsTaken: before.taken + progress.pointsTaken,
        });
        isDone = progress.done;
        notes.push(...progress.notes);
        for (const run of progress.runs) {
          const key = `${run.runId} ${run.sourceId}`;
          const known = sums.outcomes.get(key) ?? run.outcome;
          sums.outcomes.set(key, known === ImportOutcome.IMPORT_OUTCOME_LEFT_OUT ? run.outcome : known);
          if (!context.json && isTold(run, dryRun)) {
            line.clear();
            context.lines([shown(run, dryRun)]);
          }
        }
        if (context.json) context.printItem(progress, () => []);
        else line.show(sentence(sums, dryRun));
      }
    });
  } finally {
    line.clear();
  }
  if (!context.json) context.lines([sentence(sums, dryRun), ...notes.map((note) => `note: ${plain(note)}`)]);
  const isLeftOut = [...sums.outcomes.values()].includes(ImportOutcome.IMPORT_OUTCOME_LEFT_OUT);
  return isDone && !isLeftOut ? EXIT.ok : EXIT.failed;
}

/** Of a thousand runs that were here, those that were not are of interest. */
function isTold({ outcome }: ImportedRun, dryRun: boolean): boolean {
  return dryRun || outcome !== ImportOutcome.IMPORT_OUTCOME_UNCHANGED;
}

function shown({ sourceId, name, runId, outcome, pointsTaken }: ImportedRun, dryRun: boolean): string {
  const points =
    dryRun || outcome === ImportOutcome.IMPORT_OUTCOME_LEFT_OUT ? "" : `, ${count(pointsTaken)} points`;
  const called = name === sourceId ? "" : ` (${plain(name)})`;
  return `${runId}  ${word(outcome, dryRun)}${points}  ${plain(sourceId)}${called}`;
}

function word(outcome: ImportOutcome, dryRun: boolean): string {
  switch (outcome) {
    case ImportOutcome.IMPORT_OUTCOME_NEW:
      return "new";
    case ImportOutcome.IMPORT_OUTCOME_GROWN:
      return dryRun ? "perhaps grown" : "grown";
    case ImportOutcome.IMPORT_OUTCOME_UNCHANGED:
      return "here";
    default:
      return "left out";
  }
}

function sentence({ runsRead, pointsRead, pointsTaken, outcomes }: Sums, dryRun: boolean): string {
  const all = [...outcomes.values()];
  const of = (outcome: ImportOutcome): string => count(all.filter((each) => each === outcome).length);
  const runs =
    `${counted(runsRead, "run")}: ${of(ImportOutcome.IMPORT_OUTCOME_NEW)} new, ` +
    `${of(ImportOutcome.IMPORT_OUTCOME_GROWN)} ${word(ImportOutcome.IMPORT_OUTCOME_GROWN, dryRun)}, ` +
    `${of(ImportOutcome.IMPORT_OUTCOME_UNCHANGED)} here, ${of(ImportOutcome.IMPORT_OUTCOME_LEFT_OUT)} left out`;
  return dryRun ? `${runs}.` : `${runs}; ${count(pointsTaken)} of ${count(pointsRead)} points were new.`;
}
