/** `pkx dead-letters`. */
import { type DeadLetter, PipekitError } from "@pipekit/experiment";
import { type Command, InvalidArgumentError } from "commander";
import { count, moment } from "../format.ts";
import { type Commands, type Context, whole } from "./context.ts";
import { EXIT } from "./exit.ts";
import { pairs, plain, table } from "./terminal.ts";

interface ListOptions {
  readonly sink?: string;
  readonly limit: number;
}

interface RedriveOptions {
  readonly sink?: string;
  readonly id?: readonly number[];
}

export function addDeadLetterCommands(program: Command, commands: Commands): void {
  const letters = program
    .command("dead-letters")
    .description("look at what sinks refused for good, and send it once more")
    .addHelpText("after", "\nExamples:\n  pkx dead-letters list\n  pkx dead-letters redrive 01JB3C8Z");
  const list = letters
    .command("list")
    .description("list dead letters, oldest first")
    .argument("[run]", "run id, or its first 8 characters or more (default: all runs)")
    .option("--sink <spec>", "only those of this sink")
    .option("--limit <n>", "at most so many", whole(1), 100);
  commands.define<ListOptions>(list, {
    examples: "pkx dead-letters list\npkx dead-letters list 01JB3C8Z --json",
    run: listLetters,
  });
  const show = letters
    .command("show")
    .description("show a dead letter and what is in it")
    .argument("<id>", "its number, as the list tells it", wholeArgument);
  commands.define(show, {
    examples: "pkx dead-letters show 3",
    run: (context, [id]) => showLetter(context, Number(id)),
  });
  const redrive = letters
    .command("redrive")
    .description("send dead letters once more; what the sink takes now is forgotten here")
    .argument("[run]", "run id, or its first 8 characters or more")
    .option("--sink <spec>", "only those of this sink")
    .option("--id <number>", "only this one; may be repeated", (text, earlier: readonly number[] = []) => [
      ...earlier,
      wholeArgument(text),
    ]);
  commands.define<RedriveOptions>(redrive, {
    examples: "pkx dead-letters redrive 01JB3C8Z\npkx dead-letters redrive --id 3 --id 4",
    run: redriveLetters,
  });
}

function wholeArgument(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be the number of a dead letter.");
}

async function listLetters(
  context: Context,
  [runId]: readonly string[],
  { sink, limit }: ListOptions,
): Promise<undefined> {
  const { signal } = context;
  const letters = await context.withClient(async (client) => {
    const found: DeadLetter[] = [];
    for await (const letter of client.delivery.deadLetters({ runId, sink, signal })) {
      if (found.push(letter) >= limit) break;
    }
    return found;
  });
  const columns = [
    { title: "ID", right: true },
    { title: "RUN" },
    { title: "WHAT" },
    { title: "POINTS", right: true },
    { title: "AT" },
    { title: "SINK" },
    { title: "REASON" },
  ];
  context.print({ deadLetters: letters }, () =>
    letters.length === 0
      ? ["No dead letters."]
      : table(
          columns,
          letters.map((one) => [
            String(one.id),
            one.runId,
            one.kind,
            count(one.points),
            moment(one.atUs),
            one.spec,
            one.reason,
          ]),
        ),
  );
}

async function showLetter(context: Context, id: number): Promise<undefined> {
  const { signal } = context;
  const letter = await context.withClient((client) => client.delivery.deadLetter(id, { signal }));
  if (letter === undefined) {
    throw new PipekitError("INVALID_ARGUMENT", `There is no dead letter ${id}.`, {
      field: "id",
      mend: "See `pkx dead-letters list`.",
    });
  }
  context.print(letter, () => [
    ...pairs([
      ["dead letter", String(letter.id)],
      ["run", letter.runId],
      ["sink", letter.spec],
      ["refused", moment(letter.atUs)],
      ["reason", letter.reason],
      ["what", letter.points === 0 ? letter.kind : `${letter.kind}, ${count(letter.points)} points`],
    ]),
    ...letter.lines.map((line) => `  ${plain(line)}`),
    ...(letter.points > letter.lines.length && letter.lines.length > 0 ? ["  …"] : []),
  ]);
}

async function redriveLetters(
  context: Context,
  [runId]: readonly string[],
  { sink, id }: RedriveOptions,
): Promise<number> {
  if (runId === undefined && id === undefined) {
    throw new PipekitError("INVALID_ARGUMENT", "No dead letters are named.", {
      field: "run",
      mend: "Give a run id, or --id NUMBER.",
    });
  }
  const { signal } = context;
  const answer = await context.withClient((client) =>
    client.delivery.redrive({ runId, sink, ids: id, signal }),
  );
  const { taken, refused, waiting, pointsTaken } = answer;
  context.print(answer, () => [
    `${count(taken)} taken (${count(pointsTaken)} points), ${count(refused)} refused again, ${count(waiting)} waiting for the sink.`,
    ...(refused > 0 ? ["See why with `pkx dead-letters list`."] : []),
  ]);
  return refused === 0 ? EXIT.ok : EXIT.failed;
}
