/** `pkx models store`. */
import type { OperatorState } from "@pipekit/experiment";
import type { Command } from "commander";
import { bytes } from "../format.ts";
import type { Commands, Context } from "./context.ts";
import { jsonObject, readText } from "./json.ts";
import { ProgressLine } from "./progress.ts";
import { type RegistryOption, withRegistry } from "./registry-option.ts";
import { modelDocument } from "./shapes.ts";
import { plain } from "./terminal.ts";

interface StoreOptions extends RegistryOption {
  readonly weights?: string;
  readonly format?: string;
  readonly name?: string;
  readonly force?: boolean;
  readonly metadata?: string;
  readonly trainingConfig?: string;
  readonly datasetHash?: string;
  readonly run?: string;
}

export function addStoreCommand(models: Command, commands: Commands): void {
  const store = withRegistry(models.command("store").description("store an operator and its weights"))
    .argument("<operator>", `JSON file with the operator's state {"module", "class", "config"}`)
    .option("--weights <file>", "file with the weights")
    .option("--format <format>", "how the weights are encoded, such as safetensors")
    .option("--name <tag>", "tag to set")
    .option("--force", "let the tag move")
    .option("--metadata <json>", "free metadata, a JSON object")
    .option("--training-config <file>", "JSON file; part of the model's identity")
    .option("--dataset-hash <hash>", "part of the model's identity")
    .option("--run <id>", "the run that made it");
  commands.define<StoreOptions>(store, {
    examples: "pkx models store op.json --weights w.safetensors --format safetensors --name candidate",
    run: storeModel,
  });
}

async function storeModel(
  context: Context,
  [file = ""]: readonly string[],
  options: StoreOptions,
): Promise<undefined> {
  const operator = jsonObject(await readText(file), file) as unknown as OperatorState;
  const trainingConfig =
    options.trainingConfig === undefined
      ? undefined
      : jsonObject(await readText(options.trainingConfig), options.trainingConfig);
  const line = new ProgressLine(context.terminal);
  const live = context.terminal.isTerminal && !context.json;
  const onProgress = (done: number, total: number, phase: string) =>
    line.show(`${plain(phase)} ${bytes(done)} of ${bytes(total)}`);
  const storing = context.withClient((client) =>
    client.registry(options.registry).store({
      operator,
      trainingConfig,
      weights: options.weights,
      weightsFormat: options.format,
      name: options.name,
      force: options.force,
      metadata: options.metadata === undefined ? undefined : jsonObject(options.metadata, "--metadata"),
      datasetHash: options.datasetHash,
      runId: options.run,
      onProgress: live ? onProgress : undefined,
      signal: context.signal,
    }),
  );
  const stored = await storing.finally(() => line.clear());
  const { model, created, move } = stored;
  context.print({ model: modelDocument(model), created, move: move ?? null }, () => [
    `${model.hash}  ${created ? "stored" : "was there already"}`,
    ...(move === undefined ? [] : [`${plain(move.name)} points to it, by move ${move.seq}.`]),
  ]);
}
