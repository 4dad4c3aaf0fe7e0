/** The resolvers that OmegaConf has of its own. Source: omegaconf/resolvers/oc of 2.3. */
import { configOf } from "./building.ts";
import { refused, unknown } from "./faults.ts";
import {
  type ConfigNode,
  type ContainerNode,
  MappingNode,
  pathOf,
  ScalarNode,
  SequenceNode,
} from "./nodes.ts";
import { atomRepr } from "./python-text.ts";
import { readYaml } from "./reading.ts";
import { bareValue, type CallSite, type Found, type Resolver, type Resolvers } from "./resolver.ts";
import { isContainer, NoContainer, select } from "./selecting.ts";

/** Names of variables whose values are never told: they would reach run histories. */
const SECRET = /KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL/i;

/** `oc.env`, `oc.select`, `oc.decode`, `oc.create`, `oc.deprecated`, `oc.dict.keys`, `oc.dict.values`. */
export function omegaconfResolvers(env: Readonly<{ [name: string]: string }>): Resolvers {
  const named: readonly (readonly [string, number, number, Resolver])[] = [
    ["oc.env", 1, 2, (args, site) => environment(env, args, site)],
    ["oc.select", 1, 2, selected],
    ["oc.decode", 1, 1, decoded],
    ["oc.create", 1, 1, created],
    ["oc.deprecated", 1, 2, deprecated],
    ["oc.dict.keys", 1, 1, keys],
    ["oc.dict.values", 1, 1, values],
  ];
  return new Map(named.map(([name, least, most, call]) => [name, counted(name, least, most, call)]));
}

/** Checks the number of arguments. */
export function counted(name: string, least: number, most: number, call: Resolver): Resolver {
  return (args, site) => {
    if (args.length >= least && args.length <= most) return call(args, site);
    const wanted = least === most ? `${least}` : `${least} or ${most}`;
    throw refused(
      `gives \`${name}\` ${args.length} arguments instead of ${wanted}`,
      "Correct the arguments.",
    );
  };
}

/** An argument that must be a text. */
export function textArgument(name: string, args: readonly Found[], index = 0): string {
  const value = args[index];
  if (typeof value === "string") return value;
  throw refused(`gives \`${name}\` something that is no text`, "Put the argument into quotes.");
}

function environment(
  env: Readonly<{ [name: string]: string }>,
  args: readonly Found[],
  { resolution }: CallSite,
): Found {
  const name = textArgument("oc.env", args);
  if (SECRET.test(name)) {
    throw unknown(
      "secret",
      `reads \`${name}\`, which looks like a secret`,
      "Nothing needs to be done: its text stays.",
    );
  }
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  if (value !== undefined) return value;
  if (args.length === 1) {
    throw refused(`reads the variable \`${name}\`, which is not set`, `Set ${name}, or give a default.`);
  }
  const [, other = null] = args;
  return other === null ? null : resolution.text(other);
}

function selected(args: readonly Found[], site: CallSite): Found {
  const [, other = null] = args;
  const found = selectOrNone(site, textArgument("oc.select", args), false);
  return found === undefined || (found instanceof ScalarNode && found.isMissing) ? other : bareValue(found);
}

/** A key that leads through a single value finds nothing. */
function selectOrNone(
  { resolution, parent }: CallSite,
  key: string,
  throwOnMissing: boolean,
): Found | undefined {
  try {
    return select(resolution, parent, key, { throwOnMissing });
  } catch (error) {
    if (error instanceof NoContainer) return undefined;
    throw error;
  }
}

function decoded(args: readonly Found[], site: CallSite): Found {
  const [value] = args;
  return value === null ? null : site.resolution.decoded(textArgument("oc.decode", args), site);
}

function created([value = null]: readonly Found[], site: CallSite): Found {
  const { resolution } = site;
  const { allowance } = resolution;
  let node: ConfigNode;
  if (value === null) return null;
  if (typeof value === "string") {
    allowance.spend(value.length);
    const { root, findings } = readYaml(value, allowance);
    if (findings.hasErrors) throw refused("makes a config of a text that is no YAML", "Correct the text.");
    node = root;
  } else {
    node = configOf(resolution.plain(value), allowance);
  }
  if (!isContainer(node)) throw refused("makes a config of a single value", "Give a list, a dict or YAML.");
  return madeBy(site, node);
}

function deprecated(args: readonly Found[], site: CallSite): Found {
  const key = textArgument("oc.deprecated", args);
  if (args.length === 2) textArgument("oc.deprecated", args, 1);
  const found = selectOrNone(site, key, false);
  if (found !== undefined) return found;
  throw refused(`stands for \`${key}\`, which is not there`, "Correct the key.");
}

function keys(args: readonly Found[], site: CallSite): Found {
  const dict = dictArgument("oc.dict.keys", args, site);
  return listOf(
    [...dict.entries.values()].map(({ key }) => key),
    site,
  );
}

/** The values are references: they are resolved where they stand. */
function values(args: readonly Found[], site: CallSite): Found {
  const dict = dictArgument("oc.dict.values", args, site);
  const key = textArgument("oc.dict.values", args);
  // Seen from within the list, what is relative begins one level further out.
  const start = key.startsWith(".") ? `.${key}` : key;
  const texts = [...dict.entries.values()].map((entry) => {
    const name = typeof entry.key === "string" ? entry.key : atomRepr(entry.key);
    return `\${${start}.${name}}`;
  });
  return listOf(texts, site);
}

function listOf(items: readonly ScalarNode["value"][], site: CallSite): SequenceNode {
  const list = new SequenceNode(undefined);
  for (const item of items) {
    site.resolution.allowance.node();
    list.push(new ScalarNode(item));
  }
  return madeBy(site, list);
}

/** A container that a resolver made stands where its call stands: what is relative in it is seen from there. */
function madeBy<N extends ContainerNode>({ node, parent }: CallSite, made: N): N {
  made.parent = parent;
  made.key = node.key;
  return made;
}

function dictArgument(name: string, args: readonly Found[], site: CallSite): MappingNode {
  const key = textArgument(name, args);
  const found = selectOrNone(site, key, true);
  if (found instanceof MappingNode) return found;
  const where = found instanceof SequenceNode ? ` (${pathOf(found)})` : "";
  throw refused(`gives \`${name}\` the key \`${key}\`${where}, where no mapping is`, "Correct the key.");
}
