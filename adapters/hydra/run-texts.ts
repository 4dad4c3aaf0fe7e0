import { join } from "node:path";
import { ConfigFault, type ConfigRun } from "../config.ts";
import { Unresolved } from "./faults.ts";
import { besideConfig, hydraResolvers } from "./hydra-values.ts";
import { Allowance, limitOf } from "./limits.ts";
import { MappingNode, ScalarNode, SequenceNode } from "./nodes.ts";
import { Positions } from "./positions.ts";
import { type Read, readYaml } from "./reading.ts";
import { JsonWriter } from "./rendering.ts";
import { omegaconfResolvers } from "./resolvers.ts";
import { Resolution } from "./resolving.ts";
import { select } from "./selecting.ts";

/** The texts of a run's folder; hydra and overrides are empty where there are none. */
export interface RunTexts {
  /** The folder, for messages. */
  readonly folder: string;
  readonly config: string;
  readonly hydra: string;
  readonly overrides: string;
  readonly env: Readonly<{ [name: string]: string }>;
}

/** What the texts say, with interpolations resolved. Throws ConfigFault; one that passed the allowance has a `cause`. */
export function readRunTexts({ folder, env, ...texts }: RunTexts, allowance = new Allowance()): ConfigRun {
  const read = (name: keyof typeof texts): Read =>
    readFile(join(folder, `${name}.yaml`), texts[name], allowance);
  const config = read("config");
  const { root: hydraRoot } = read("hydra");
  const { root: overrides } = read("overrides");
  if (!(config.root instanceof MappingNode)) throw noMapping(join(folder, "config.yaml"));
  const hydraNode = hydraRoot instanceof MappingNode ? hydraRoot.get("hydra") : undefined;
  const hydra = hydraNode instanceof MappingNode ? besideConfig(config.root, hydraNode) : undefined;
  const resolvers = new Map([...omegaconfResolvers(env), ...hydraResolvers(hydra)]);
  const resolution = new Resolution(resolvers, allowance);
  try {
    const { json } = new JsonWriter(resolution, config.findings).document(config.root);
    return {
      configJson: json,
      overrides:
        overrides instanceof SequenceNode ? overrides.items.map((item) => resolution.text(item)) : [],
      jobName: textAt(resolution, hydra, ".job.name"),
      configName: textAt(resolution, hydra, ".job.config_name"),
      version: textAt(resolution, hydra, ".runtime.version"),
      problems: config.findings.problems(new Positions(texts.config)),
    };
  } catch (error) {
    throw tooMuch(join(folder, "config.yaml"), error);
  }
}

function readFile(path: string, text: string, allowance: Allowance): Read {
  let read: Read;
  try {
    read = readYaml(text, allowance);
  } catch (error) {
    throw tooMuch(path, error);
  }
  const positions = new Positions(text);
  const fault = read.findings.problems(positions).find(({ isError }) => isError);
  if (fault === undefined) return read;
  const { line, character } = fault.range.start;
  const where = `${path}, line ${line + 1}, column ${character + 1}`;
  const field = fault.path === "" ? path : `${path}: ${fault.path}`;
  throw new ConfigFault("config", `${where}: ${fault.message}`, field, fault.mend);
}

function tooMuch(path: string, error: unknown): ConfigFault {
  return new ConfigFault("config", `${path} ${limitOf(error)}.`, path, "Make the config smaller.", error);
}

function noMapping(path: string): ConfigFault {
  return new ConfigFault(
    "config",
    `${path} holds a list, not a mapping.`,
    path,
    "Give the folder of a Hydra app.",
  );
}

/** A text of Hydra's own values; empty for none. */
function textAt(resolution: Resolution, hydra: MappingNode | undefined, key: string): string {
  if (hydra === undefined) return "";
  try {
    const found = select(resolution, hydra, key, { throwOnMissing: true });
    const value = found instanceof ScalarNode ? found.value : found;
    return typeof value === "string" ? value : "";
  } catch (error) {
    if (error instanceof Unresolved) return "";
    throw error;
  }
}
