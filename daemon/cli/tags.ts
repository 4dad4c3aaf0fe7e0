/** `pkx tag`, `resolve`, `history`. */
import type { TagMove } from "@pipekit/experiment";
import type { Command } from "commander";
import { moment } from "../format.ts";
import { type Commands, type Context, whole } from "./context.ts";
import { type RegistryOption, withRegistry } from "./registry-option.ts";
import { addTagDeedCommands } from "./tag-deeds.ts";
import { plain, table } from "./terminal.ts";

interface TagOptions extends RegistryOption {
  readonly force?: boolean;
  readonly expected?: string;
  readonly reason?: string;
  readonly actor?: string;
}

export function addTagCommands(program: Command, commands: Commands): void {
  const tag = withRegistry(
    program.command("tag").description("point a tag to a model by one atomic, logged move"),
  )
    .argument("<ref>", "the model: hash, its first 8 characters or more, tag, tag@7 or tag~1")
    .argument("<name>", "the tag")
    .option("--force", "let the tag move when it points elsewhere")
    .option("--expected <hash>", "move only if the tag points to this hash now")
    .option("--reason <text>", "why; kept in the history")
    .option("--actor <who>", "who moves it (default: user@host)");
  commands.define<TagOptions>(tag, {
    examples: `pkx tag candidate production --force --reason "better on fold 3"\npkx tag candidate v2`,
    run: moveTag,
  });
  const resolve = withRegistry(
    program.command("resolve").description("print the hash that a ref stands for"),
  ).argument("<ref>", "hash, its first 8 characters or more, tag, tag@7 or tag~1");
  commands.define<RegistryOption>(resolve, {
    examples: "pkx resolve production\npkx resolve production~1",
    run: async (context, [ref = ""], { registry }) => {
      const hash = await context.withClient((client) =>
        client.registry(registry).resolve(ref, { signal: context.signal }),
      );
      context.print({ ref, hash }, () => [hash]);
      return undefined;
    },
  });
  const history = withRegistry(
    program.command("history").description("list the moves of a tag, newest first"),
  )
    .argument("<name>", "the tag")
    .option("--limit <n>", "at most so many", whole(1), 50);
  commands.define<RegistryOption & { limit: number }>(history, {
    examples: "pkx history production\npkx history production --json | jq -r '.moves[].hash'",
    run: showHistory,
  });
  addTagDeedCommands(program, commands);
}

async function moveTag(
  context: Context,
  [ref = "", name = ""]: readonly string[],
  { registry, force, expected, reason, actor }: TagOptions,
): Promise<undefined> {
  const move = await context.withClient((client) =>
    client
      .registry(registry)
      .tag(ref, name, { force, expectedHash: expected, reason, actor, signal: context.signal }),
  );
  context.print(move, () => [
    `${plain(move.name)} points to ${move.hash} since move ${move.seq}.`,
    ...(move.previousHash === "" ? [] : [`It pointed to ${move.previousHash} before.`]),
  ]);
}

async function showHistory(
  context: Context,
  [name = ""]: readonly string[],
  { registry, limit }: RegistryOption & { limit: number },
): Promise<undefined> {
  const moves = await context.withClient(async (client) => {
    const found: TagMove[] = [];
    for await (const move of client.registry(registry).history(name, { signal: context.signal })) {
      if (found.push(move) >= limit) break;
    }
    return found;
  });
  const columns = [
    { title: "MOVE", right: true },
    { title: "MODEL" },
    { title: "AT" },
    { title: "BY" },
    { title: "PRINCIPAL" },
    { title: "WHY" },
  ];
  const rows = moves.map((move) => [
    String(move.seq),
    move.hash === "" ? "(deleted)" : move.hash.slice(0, 12),
    moment(move.atUs),
    move.actor,
    move.principal,
    move.reason,
  ]);
  context.print({ name, moves }, () => table(columns, rows));
}
