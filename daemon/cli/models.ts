/** `pkx models`. */
import { readFile } from "node:fs/promises";
import { type Model, type OperatorState, PipekitError } from "@pipekit/experiment";
import type { Command } from "commander";
import { type Commands, type Context, whole } from "./context.ts";
import { EXIT } from "./exit.ts";
import { bytes, count, moment } from "./format.ts";
import { modelDocument, operatorName } from "./shapes.ts";
import { pairs, plain, table } from "./terminal.ts";

/** Option of all commands that speak to a registry. */
export interface RegistryOption {
  readonly registry: string;
}

/** Gives a command the option that names the registry. */
export function withRegistry(command: Command): Command {
  return command.option("--registry <spec>", "such as local:/srv/models (default: the state folder's)", "");
}

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

export function addModelCommands(program: Command, commands: Commands): void {
  const models = program.command("models").description("look at, verify, store and load models");
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
  const verify = withRegistry(
    models.command("verify").description("recompute the digests of models; exits 6 when one is damaged"),
  ).argument("[refs...]", `${REF} (default: all models)`);
  commands.define<RegistryOption>(verify, {
    examples: "pkx models verify\npkx models verify production",
    run: verifyModels,
  });
  const load = withRegistry(models.command("load").description("write a model's weights to a file, verified"))
    .argument("<ref>", REF)
    .requiredOption("--to <file>", "file to write; it appears when it is whole");
  commands.define<RegistryOption & { to: string }>(load, {
    examples: "pkx models load production --to weights.safetensors",
    run: loadModel,
  });
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

async function verifyModels(
  context: Context,
  refs: readonly string[],
  { registry }: RegistryOption,
): Promise<number> {
  let sound = 0;
  let damaged = 0;
  let read = 0;
  await context.withClient(async (client) => {
    for await (const finding of client.registry(registry).verify(refs, { signal: context.signal })) {
      const good = finding.problems.length === 0;
      if (good) sound += 1;
      else damaged += 1;
      read += finding.bytesRead;
      context.printItem(finding, () => [
        `${finding.hash}  ${good ? context.paint("green", "sound") : context.paint("red", "damaged")}`,
        ...finding.problems.map((problem) => `  ${plain(problem)}`),
      ]);
    }
  });
  if (!context.json)
    context.lines([`${count(sound)} sound, ${count(damaged)} damaged, ${bytes(read)} read.`]);
  return damaged > 0 ? EXIT.corrupt : EXIT.ok;
}

async function loadModel(
  context: Context,
  [ref = ""]: readonly string[],
  { registry, to }: RegistryOption & { to: string },
): Promise<undefined> {
  const live = context.terminal.isTerminal && !context.json;
  let shown = 0;
  const onProgress = (received: number, total: number) => {
    if (!live || (Date.now() - shown < 100 && received < total)) return;
    shown = Date.now();
    context.terminal.err(`\r${bytes(received)} of ${bytes(total)}\x1b[K${received === total ? "\n" : ""}`);
  };
  const { model, path } = await context.withClient((client) =>
    client.registry(registry).load(ref, { toFile: to, signal: context.signal, onProgress }),
  );
  context.print({ path, model: modelDocument(model) }, () => [
    `${path}: ${bytes(model.weightsSize)} of ${model.hash}, verified.`,
  ]);
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
  const stored = await context.withClient((client) =>
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
      signal: context.signal,
    }),
  );
  const { model, created, move } = stored;
  context.print({ model: modelDocument(model), created, move: move ?? null }, () => [
    `${model.hash}  ${created ? "stored" : "was there already"}`,
    ...(move === undefined ? [] : [`${plain(move.name)} points to it, by move ${move.seq}.`]),
  ]);
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new PipekitError("INVALID_ARGUMENT", `The file ${file} cannot be read.`, {
      field: file,
      mend: "Give the path of a readable file.",
      cause,
    });
  }
}

function jsonObject(text: string, field: string): { readonly [name: string]: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PipekitError("INVALID_CONFIG", `${field} is not JSON.`, {
      field,
      mend: "Give a JSON object.",
      cause,
    });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new PipekitError("INVALID_CONFIG", `${field} is not a JSON object.`, {
    field,
    mend: "Give a JSON object.",
  });
}
