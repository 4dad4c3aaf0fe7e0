/** `pkx prune`. */
import type { PruneResponse } from "@pipekit/experiment";
import { type Command, InvalidArgumentError } from "commander";
import { bytes, count } from "../format.ts";
import type { Commands, Context } from "./context.ts";
import { ProgressLine } from "./progress.ts";
import { type Column, plain, table } from "./terminal.ts";

interface PruneSettings {
  readonly olderThan?: number;
  readonly apply?: boolean;
  readonly withoutSinks?: boolean;
}

const UNIT_SECONDS: { readonly [unit: string]: number } = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const COLUMNS: readonly Column[] = [
  { title: "RUN" },
  { title: "NAME" },
  { title: "POINTS", right: true },
  { title: "JOURNAL", right: true },
  { title: "FILES", right: true },
];

export function addPruneCommand(program: Command, commands: Commands): void {
  const prune = program
    .command("prune")
    .description("forget points and files of runs that every sink has; tells what would go unless --apply")
    .argument("[runs...]", "run ids, or their first 8 characters or more (default: all)")
    .option("--older-than <time>", "only runs that ended so long ago, such as 12h, 30d or 8w", span)
    .option("--without-sinks", "runs without any sink may go too; their points are nowhere else")
    .option("--apply", "do it");
  commands.define<PruneSettings>(prune, {
    examples: "pkx prune --older-than 30d\npkx prune --older-than 30d --apply\npkx prune 01JB3C8Z --apply",
    run: runPrune,
  });
}

/** Seconds of a span such as `30d`. */
export function span(text: string): number {
  const [, amount, unit = ""] = /^(\d+)([smhdw])$/.exec(text) ?? [];
  const seconds = UNIT_SECONDS[unit];
  if (amount !== undefined && seconds !== undefined) return Number(amount) * seconds;
  throw new InvalidArgumentError("It must be a number with s, m, h, d or w, such as 30d.");
}

async function runPrune(
  context: Context,
  runIds: readonly string[],
  { olderThan, apply, withoutSinks }: PruneSettings,
): Promise<undefined> {
  const line = new ProgressLine(context.terminal);
  const options = { olderThanS: olderThan, runIds, apply, withoutSinks, signal: context.signal };
  const runs: PruneResponse[] = [];
  const sums: PruneResponse[] = [];
  try {
    await context.withClient(async (client) => {
      for await (const answer of client.delivery.prune(options)) {
        (answer.done ? sums : runs).push(answer);
        line.show(`${count(runs.length)} runs looked at`);
      }
    });
  } finally {
    line.clear();
  }
  const going = runs.filter(({ kept }) => kept === "");
  const kept = runs.filter((run) => run.kept !== "");
  const [sum] = sums;
  context.print({ applied: apply === true, runs, sum }, () => [
    ...(going.length === 0 ? [] : table(COLUMNS, going.map(cells))),
    ...kept.map((run) => `kept ${run.runId} ${plain(run.name)}: ${plain(run.kept)}`),
    ...(sum === undefined ? [] : [closing(sum, apply === true)]),
  ]);
}

function cells(run: PruneResponse): string[] {
  return [run.runId, run.name, count(run.points), bytes(run.journalBytes), bytes(run.contentBytes)];
}

function closing(sum: PruneResponse, applied: boolean): string {
  const what = `${count(sum.runs)} runs, ${count(sum.points)} points, ${bytes(sum.journalBytes + sum.contentBytes)}`;
  if (sum.runs === 0) return "Nothing to prune.";
  return applied ? `Pruned: ${what}.` : `Would go: ${what}. Prune with --apply.`;
}
