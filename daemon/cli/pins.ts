/** `pkx models pin`, `unpin` and `pins`. */
import type { Command } from "commander";
import { moment } from "../format.ts";
import type { Commands } from "./context.ts";
import { EXIT } from "./exit.ts";
import { type RegistryOption, withRegistry } from "./registry-option.ts";
import { table } from "./terminal.ts";

const REF = "hash, its first 8 characters or more, tag, tag@7 or tag~1";

export function addPinCommands(models: Command, commands: Commands): void {
  const pin = withRegistry(
    models.command("pin").description("keep a model from every collection until it is unpinned"),
  )
    .argument("<ref>", REF)
    .option("--reason <text>", "why");
  commands.define<RegistryOption & { readonly reason?: string }>(pin, {
    examples: `pkx models pin production --reason "model of the paper"`,
    run: async (context, [ref = ""], { registry, reason }) => {
      const made = await context.withClient((client) =>
        client.registry(registry).pin(ref, { reason, signal: context.signal }),
      );
      context.print(made, () => [`${made.hash} is pinned.`]);
      return undefined;
    },
  });
  const unpin = withRegistry(models.command("unpin").description("take a model's pin away")).argument(
    "<ref>",
    REF,
  );
  commands.define<RegistryOption>(unpin, {
    examples: "pkx models unpin production",
    run: async (context, [ref = ""], { registry }) => {
      const removed = await context.withClient((client) =>
        client.registry(registry).unpin(ref, { signal: context.signal }),
      );
      context.print({ ref, removed }, () => [removed ? "The pin is gone." : "It was not pinned."]);
      return EXIT.ok;
    },
  });
  const pins = withRegistry(models.command("pins").description("list pinned models"));
  commands.define<RegistryOption>(pins, {
    examples: "pkx models pins\npkx models pins --json | jq -r '.pins[].hash'",
    run: async (context, _args, { registry }) => {
      const found = await context.withClient((client) =>
        client.registry(registry).pins({ signal: context.signal }),
      );
      const columns = [{ title: "MODEL" }, { title: "AT" }, { title: "BY" }, { title: "WHY" }];
      const rows = found.map(({ hash, atUs, actor, reason }) => [
        hash.slice(0, 12),
        moment(atUs),
        actor,
        reason,
      ]);
      context.print({ pins: found }, () => (rows.length === 0 ? ["No pins."] : table(columns, rows)));
      return undefined;
    },
  });
}
