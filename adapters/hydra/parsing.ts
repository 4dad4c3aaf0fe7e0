import type { ConfigNodeInfo, ConfigNodeKind, ConfigText, ParsedConfig } from "../config.ts";
import { ConfigFault } from "../config.ts";
import { configOf } from "./building.ts";
import { Unresolved } from "./faults.ts";
import { besideConfig, hydraResolvers } from "./hydra-values.ts";
import { Allowance, limitOf, MAX_TEXT_BYTES } from "./limits.ts";
import { type ConfigNode, MappingNode, type Place, pathOf, ScalarNode, SequenceNode } from "./nodes.ts";
import { plainJson } from "./plain-json.ts";
import { Positions } from "./positions.ts";
import { readYaml } from "./reading.ts";
import { JsonWriter, type Slices } from "./rendering.ts";
import { omegaconfResolvers } from "./resolvers.ts";
import { Resolution } from "./resolving.ts";
import { checkTargets, targetOf } from "./targets.ts";

/** The answer to a text that is too much. */
const EMPTY: ParsedConfig = { resolvedJson: "{}", nodes: [], problems: [] };

/** Reads a config and tells what stands where; of one that is too much, that. Throws ConfigFault. */
export function parseConfig(config: ConfigText): ParsedConfig {
  try {
    return parseWithin(config, new Allowance());
  } catch (error) {
    const message = `The config ${limitOf(error)}.`;
    const range = new Positions(config.text).range({ start: 0, end: config.text.length });
    return {
      ...EMPTY,
      problems: [{ code: "limit", path: "", message, mend: "Make it smaller.", range, isError: true }],
    };
  }
}

/** Reads a config, using no more than an allowance. Throws ConfigFault, LimitPassed, RangeError. */
export function parseWithin({ text, env, hydraJson }: ConfigText, allowance: Allowance): ParsedConfig {
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES) {
    throw new ConfigFault(
      "argument",
      "The text is larger than 4 MiB.",
      "text",
      "Split it into several configs.",
    );
  }
  if (hydraJson.length > MAX_TEXT_BYTES) {
    throw new ConfigFault(
      "argument",
      "hydra_json is larger than 4 MiB.",
      "hydra_json",
      "Leave out what is not read.",
    );
  }
  const positions = new Positions(text);
  const { root, findings } = readYaml(text, allowance);
  const hydra = hydraOf(hydraJson, root, allowance);
  const resolvers = new Map([...omegaconfResolvers(env), ...hydraResolvers(hydra)]);
  const resolution = new Resolution(resolvers, allowance);
  const { json, slices } = new JsonWriter(resolution, findings).document(root);
  checkTargets(root, resolution, findings);
  const nodes = nodesOf(root, { json, slices, positions, resolution });
  return { resolvedJson: json, nodes, problems: findings.problems(positions) };
}

function hydraOf(hydraJson: string, root: ConfigNode, allowance: Allowance): MappingNode | undefined {
  if (hydraJson === "") return undefined;
  try {
    const hydra = configOf(plainJson(hydraJson), allowance);
    if (hydra instanceof MappingNode) return besideConfig(root, hydra);
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof Unresolved)) throw error;
  }
  throw new ConfigFault(
    "argument",
    "hydra_json is no JSON object.",
    "hydra_json",
    "Give a JSON object, or nothing.",
  );
}

interface Written {
  readonly json: string;
  readonly slices: Slices;
  readonly positions: Positions;
  readonly resolution: Resolution;
}

/** The nodes that stand in the text, in its order: a key that overrides a merged one stands earlier in its mapping. */
function nodesOf(root: ConfigNode, written: Written): ConfigNodeInfo[] {
  const found: { readonly node: ConfigNode; readonly place: Place }[] = [];
  const visit = (node: ConfigNode): void => {
    const { place } = node;
    if (place === undefined || !place.own) return;
    found.push({ node, place });
    if (node instanceof MappingNode) for (const { node: child } of node.entries.values()) visit(child);
    else if (node instanceof SequenceNode) node.items.forEach(visit);
  };
  visit(root);
  found.sort((a, b) => startOf(a.place) - startOf(b.place));
  return found.map(({ node, place }) => infoOf(node, place, written));
}

function startOf({ key, value }: Place): number {
  return (key ?? value).start;
}

function infoOf(node: ConfigNode, { key, value }: Place, written: Written): ConfigNodeInfo {
  const { json, slices, positions, resolution } = written;
  const slice = node instanceof ScalarNode ? slices.get(node) : undefined;
  return {
    path: pathOf(node),
    kind: kindOf(node),
    key: key === undefined ? undefined : positions.range(key),
    value: positions.range(value),
    resolvedJson: slice === undefined ? "" : json.slice(...slice),
    target: node instanceof MappingNode ? targetOf(node, resolution) : "",
  };
}

function kindOf(node: ConfigNode): ConfigNodeKind {
  if (node instanceof MappingNode) return "mapping";
  if (!(node instanceof ScalarNode)) return "sequence";
  if (node.isMissing) return "missing";
  return node.isInterpolation ? "interpolation" : "scalar";
}
