/** `pkx tags`, `rollback` and `untag`. */
import type { Command } from "commander";
import { moment } from "../format.ts";
import { type Commands, whole } from "./context.ts";
import { type RegistryOption, withRegistry } from "./registry-option.ts";
import { plain, table } from "./terminal.ts";

interface DeedOptions extends RegistryOption {
  readonly reason?: string;
  readonly actor?: string;
}

export function addTagDeedCommands(program: Command, commands: Commands): void {
  const tags = withRegistry(program.command("tags").description("list the tags and where they point"));
  commands.define<RegistryOption>(tags, {
    examples: "pkx tags\npkx tags --json | jq -r '.tags[].name'",
    run: async (context, _args, { registry }) => {
      const moves = await context.withClient((client) =>
        Array.fromAsync(client.registry(registry).tags({ signal: context.signal })),
      );
      const columns = [
        { title: "TAG" },
        { title: "MODEL" },
        { title: "MOVE", right: true },
        { title: "AT" },
        { title: "BY" },
        { title: "WHY" },
      ];
      const rows = moves.map(({ name, hash, seq, atUs, actor, reason }) => [
        name,
        hash.slice(0, 12),
        String(seq),
        moment(atUs),
        actor,
        reason,
      ]);
      context.print({ tags: moves }, () => (rows.length === 0 ? ["No tags."] : table(columns, rows)));
      return undefined;
    },
  });
  const rollback = withRegistry(
    program
      .command("rollback")
      .description("point a tag back to where it pointed before, by a new move; twice leads forth again"),
  )
    .argument("<name>", "the tag")
    .option("--steps <n>", "models to go back; deletions do not count", whole(1), 1)
    .option("--reason <text>", "why; kept in the history")
    .option("--actor <who>", "who moves it (default: user@host)");
  commands.define<DeedOptions & { readonly steps: number }>(rollback, {
    examples: `pkx rollback production\npkx rollback production --steps 2 --reason "bad on rare classes"`,
    run: async (context, [name = ""], { registry, steps, reason, actor }) => {
      const move = await context.withClient((client) =>
        client.registry(registry).rollback(name, { steps, reason, actor, signal: context.signal }),
      );
      context.print(move, () => [`${plain(move.name)} points to ${move.hash} since move ${move.seq}.`]);
      return undefined;
    },
  });
  const untag = withRegistry(
    program.command("untag").description("make a tag lead nowhere; its history is kept"),
  )
    .argument("<name>", "the tag")
    .option("--expected <hash>", "only if the tag points to this hash now")
    .option("--reason <text>", "why; kept in the history")
    .option("--actor <who>", "who deletes it (default: user@host)");
  commands.define<DeedOptions & { readonly expected?: string }>(untag, {
    examples: `pkx untag candidate --reason "trial is over"\npkx rollback candidate  # brings it back`,
    run: async (context, [name = ""], { registry, expected, reason, actor }) => {
      const deletion = { expectedHash: expected, reason, actor, signal: context.signal };
      const move = await context.withClient((client) => client.registry(registry).deleteTag(name, deletion));
      context.print(move, () => [
        `${plain(move.name)} leads nowhere since move ${move.seq}.`,
        `It pointed to ${move.previousHash} before.`,
      ]);
      return undefined;
    },
  });
}
