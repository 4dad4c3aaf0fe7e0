/** `pkx models diff`. */
import type { DiffEntry, DiffResponse, TensorDiff } from "@pipekit/experiment";
import type { Command } from "commander";
import { count, figure } from "../format.ts";
import type { Commands, Context } from "./context.ts";
import { type RegistryOption, withRegistry } from "./registry-option.ts";
import { plain, table } from "./terminal.ts";

const REF = "hash, its first 8 characters or more, tag, tag@7 or tag~1";

export function addDiffCommand(models: Command, commands: Commands): void {
  const diff = withRegistry(
    models.command("diff").description("tell in what two models differ: config, metadata, tensors by name"),
  )
    .argument("<a>", REF)
    .argument("<b>", REF);
  commands.define<RegistryOption>(diff, {
    examples: "pkx models diff production candidate\npkx models diff production~1 production --json",
    run: showDiff,
  });
}

async function showDiff(
  context: Context,
  [a = "", b = ""]: readonly string[],
  { registry }: RegistryOption,
): Promise<undefined> {
  const found = await context.withClient((client) =>
    client.registry(registry).diff(a, b, { signal: context.signal }),
  );
  context.print(documentOf(found), () => linesOf(context, found));
}

/** JSON texts stay texts: they keep what a number was written like. */
function documentOf({ tensors, ...rest }: DiffResponse) {
  // A difference without bounds is no JSON number.
  const plainTensors = tensors.map(({ maxDifference, ...tensor }) => ({
    ...tensor,
    maxDifference: maxDifference === undefined ? null : finiteOrText(maxDifference),
  }));
  return { ...rest, tensors: plainTensors };
}

function finiteOrText(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

function linesOf(context: Context, found: DiffResponse): string[] {
  const { hashA, hashB, entries, tensors } = found;
  if (hashA === hashB) return [`${hashA} is the same model.`];
  return [
    `${context.paint("red", "-")} ${hashA}`,
    `${context.paint("green", "+")} ${hashB}`,
    ...entries.flatMap((entry) => entryLines(context, entry)),
    weightsLine(found),
    ...(tensors.length === 0 ? [] : table(COLUMNS, tensors.map(tensorRow))),
  ];
}

function entryLines(context: Context, { document, path, aJson, bJson }: DiffEntry): string[] {
  const name = [document, path].filter((part) => part !== "").join(" ");
  return [
    plain(name),
    ...(aJson === "" ? [] : [`  ${context.paint("red", "-")} ${plain(aJson)}`]),
    ...(bJson === "" ? [] : [`  ${context.paint("green", "+")} ${plain(bJson)}`]),
  ];
}

function weightsLine({ sameWeights, tensorsCompared, tensors, sameTensors }: DiffResponse): string {
  if (sameWeights) return "weights  the same bytes";
  if (!tensorsCompared) return "weights  differ; tensors can be told apart in safetensors files alone";
  return `weights  ${count(tensors.length)} tensors differ, ${count(sameTensors)} are the same`;
}

const COLUMNS = [
  { title: "TENSOR" },
  { title: "-" },
  { title: "+" },
  { title: "LARGEST DIFFERENCE", right: true },
];

function tensorRow({ name, aType, bType, maxDifference }: TensorDiff): string[] {
  return [name, aType, bType, maxDifference === undefined ? "" : figure(maxDifference)];
}
