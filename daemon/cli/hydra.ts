/** `pkx hydra check`, `show`: composed Hydra configs. */
import { resolve } from "node:path";
import type { ConfigProblem } from "@pipekit/experiment";
import type { Command } from "commander";
import type { Commands, Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { jsonObject, readText } from "./json.ts";
import { pairs, plain } from "./terminal.ts";

interface CheckOptions {
  readonly hydraJson?: string;
}

export function addHydraCommands(program: Command, commands: Commands): void {
  const hydra = program.command("hydra").description("read composed Hydra configs; imports and runs nothing");
  const check = hydra
    .command("check")
    .description("tell what is wrong with a composed config; exit code 1 when a run would fail")
    .argument("<file>", "a YAML file, such as .hydra/config.yaml")
    .option("--hydra-json <file>", "JSON file with the values that ${hydra:...} reads");
  commands.define<CheckOptions>(check, {
    examples:
      "pkx hydra check outputs/2026-01-05/10-00-00/.hydra/config.yaml\npkx hydra check config.yaml --json",
    run: checkConfig,
  });
  const show = hydra
    .command("show")
    .description("print what a run's .hydra folder says, interpolations resolved")
    .argument("<folder>", "the .hydra folder, or the output folder that holds it");
  commands.define(show, {
    examples: "pkx hydra show outputs/2026-01-05/10-00-00\npkx hydra show . --json | jq .config.lr",
    run: showRun,
  });
}

async function checkConfig(
  context: Context,
  [file = ""]: readonly string[],
  options: CheckOptions,
): Promise<number> {
  const text = await readText(file);
  const hydraJson = options.hydraJson === undefined ? "" : await hydraText(options.hydraJson);
  const { problems, resolvedJson } = await context.withClient(({ configs }) =>
    configs.parse(text, { env: context.terminal.env, hydraJson, signal: context.signal }),
  );
  const errors = problems.filter(({ isError }) => isError).length;
  const summary =
    errors === 0 ? `${file} is fine.` : `${errors} ${errors === 1 ? "error" : "errors"} in ${file}.`;
  context.print({ file, errors, problems, config: JSON.parse(resolvedJson) }, () => [
    ...problems.flatMap((problem) => problemLines(context, file, problem)),
    summary,
  ]);
  return errors === 0 ? EXIT.ok : EXIT.failed;
}

async function hydraText(file: string): Promise<string> {
  const text = await readText(file);
  jsonObject(text, file);
  return text;
}

async function showRun(context: Context, [folder = ""]: readonly string[]): Promise<undefined> {
  const run = await context.withClient(({ configs }) =>
    configs.readRun(resolve(folder), { env: context.terminal.env, signal: context.signal }),
  );
  const { configJson, overrides, jobName, configName, hydraVersion, problems } = run;
  const config: unknown = JSON.parse(configJson);
  context.print({ config, overrides, jobName, configName, hydraVersion, problems }, () => [
    ...pairs(
      [
        ["job", jobName],
        ["config", configName],
        ["hydra", hydraVersion],
        ["overrides", overrides.join(" ")],
      ].filter((pair): pair is [string, string] => pair[1] !== ""),
    ),
    plain(JSON.stringify(config, null, 2)),
    ...problems.flatMap((problem) => problemLines(context, "config.yaml", problem)),
  ]);
  return undefined;
}

function problemLines(context: Context, file: string, problem: ConfigProblem): string[] {
  const { range, isError, code, message, mend } = problem;
  const { line = 0, character = 0 } = range?.start ?? {};
  const kind = isError ? context.paint("red", "error") : context.paint("yellow", "note");
  return [
    `${plain(file)}:${line + 1}:${character + 1}: ${kind} ${code}: ${plain(message)}`,
    `  ${plain(mend)}`,
  ];
}
