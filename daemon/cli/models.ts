/** `pkx models`. */
import type { Model } from "@pipekit/experiment";
import type { Command } from "commander";
import { bytes, moment } from "../format.ts";
import { addArchiveCommands } from "./archive.ts";
import { addCacheCommands } from "./cache.ts";
import { type Commands, type Context, whole } from "./context.ts";
import { addCopyCommand } from "./copy.ts";
import { addDiffCommand } from "./diff.ts";
import { addGcCommand } from "./gc.ts";
import { jsonObject } from "./json.ts";
import { addStoreCommand } from "./model-store.ts";
import { addPinCommands } from "./pins.ts";
import { type RegistryOption, withRegistry } from "./registry-option.ts";
import { modelDocument, operatorName } from "./shapes.ts";
import { pairs, table } from "./terminal.ts";
import { addVerifyCommand } from "./verify.ts";

export function addModelCommands(program: Command, commands: Commands): void {
  const models = program
    .command("models")
    .description("look at, verify, store and load models")
    .addHelpText(
      "after",
      "\nExamples:\n  pkx models list\n  pkx models load production --to weights.safetensors",
    );
  const list = withRegistry(models.command("list").description("list models"))
    .option("--metadata <json>", "only models whose metadata has these entries")
    .option("--limit <n>", "at most so many", whole(1), 100);
  commands.define<RegistryOption & { metadata?: string; limit: number }>(list, {
    examples: `pkx models list\npkx models list --metadata '{"team":"vision"}' --json`,
    run: listModels,
  });
  const show = withRegistry(models.command("show").description("describe a model")).argument("<ref>", REF);
  commands.define<RegistryOption>(show, {
    examples: "pkx models show production\npkx models show production~1 --json",
    run: showModel,
  });
  const load = withRegistry(models.command("load").description("write a model's weights to a file, verified"))
    .argument("<ref>", REF)
    .requiredOption("--to <file>", "file to write; it appears when it is whole");
  commands.define<RegistryOption & { to: string }>(load, {
    examples: "pkx models load production --to weights.safetensors",
    run: loadModel,
  });
  addVerifyCommand(models, commands);
  addDiffCommand(models, commands);
  addStoreCommand(models, commands);
  addCopyCommand(models, commands);
  addPinCommands(models, commands);
  addGcCommand(models, commands);
  addArchiveCommands(models, commands);
  addCacheCommands(models, commands);
}

const REF = "hash, its first 8 characters or more, tag, tag@7 or tag~1";

async function listModels(
  context: Context,
  _args: readonly string[],
  { registry, metadata, limit }: RegistryOption & { metadata?: string; limit: number },
): Promise<undefined> {
  const filter = metadata === undefined ? undefined : jsonObject(metadata, "--metadata");
  const models = await context.withClient(async (client) => {
    const found: Model[] = [];
    for await (const model of client.registry(registry).list({ metadata: filter, signal: context.signal })) {
      if (found.push(model) >= limit) break;
    }
    return found;
  });
  const columns = [
    { title: "MODEL" },
    { title: "OPERATOR" },
    { title: "WEIGHTS", right: true },
    { title: "FORMAT" },
    { title: "STORED" },
    { title: "TAGS" },
  ];
  context.print({ models: models.map(modelDocument) }, () =>
    models.length === 0
      ? ["No models."]
      : table(
          columns,
          models.map((model) => [
            model.hash.slice(0, 12),
            operatorName(model),
            model.hasWeights ? bytes(model.weightsSize) : "none",
            model.weightsFormat,
            moment(model.createdAtUs),
            model.tags.join(", "),
          ]),
        ),
  );
}

async function showModel(
  context: Context,
  [ref = ""]: readonly string[],
  { registry }: RegistryOption,
): Promise<undefined> {
  const model = await context.withClient((client) =>
    client.registry(registry).stat(ref, { signal: context.signal }),
  );
  context.print(modelDocument(model), () => modelLines(model));
}

function modelLines(model: Model): string[] {
  const { weightsFormat: format } = model;
  const weights = model.hasWeights
    ? `${bytes(model.weightsSize)}${format === "" ? "" : `, ${format}`}`
    : "none";
  const entries: [string, string][] = [
    ["model", model.hash],
    ["operator", operatorName(model)],
    ["tags", model.tags.join(", ") || "none"],
    ["weights", weights],
    ["sha256", model.weightsSha256],
    ["stored", moment(model.createdAtUs)],
    ["run", model.runId],
    ["data set", model.datasetHash],
    ["state", model.operatorJson],
    ["training", model.trainingConfigJson],
    ["metadata", model.metadataJson === "{}" ? "" : model.metadataJson],
  ];
  return pairs(entries.filter(([, value]) => value !== ""));
}

async function loadModel(
  context: Context,
  [ref = ""]: readonly string[],
  { registry, to }: RegistryOption & { to: string },
): Promise<undefined> {
  const live = context.terminal.isTerminal && !context.json;
  let shown = 0;
  const onProgress = (done: number, total: number, phase: string) => {
    const over = phase === "loading" && done === total;
    if (!live || (Date.now() - shown < 100 && !over)) return;
    shown = Date.now();
    context.terminal.err(`\r${phase} ${bytes(done)} of ${bytes(total)}\x1b[K${over ? "\n" : ""}`);
  };
  const { model, path } = await context.withClient((client) =>
    client.registry(registry).load(ref, { toFile: to, signal: context.signal, onProgress }),
  );
  context.print({ path, model: modelDocument(model) }, () => [
    `${path}: ${bytes(model.weightsSize)} of ${model.hash}, verified.`,
  ]);
}
