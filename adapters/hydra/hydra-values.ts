/** The resolvers that Hydra adds: `hydra`, `now`, `python_version`. Source: hydra/core/utils.py (setup_globals) of 1.3. */
import { unknown } from "./faults.ts";
import { type ConfigNode, copyOf, MappingNode, ScalarNode } from "./nodes.ts";
import { bareValue, type Resolver, type Resolvers } from "./resolver.ts";
import { counted, textArgument } from "./resolvers.ts";
import { NoContainer, select } from "./selecting.ts";

/** `hydra` is what `${hydra:...}` reads, in the tree that its own references see; undefined when it is not known. */
export function hydraResolvers(hydra: MappingNode | undefined): Resolvers {
  return new Map<string, Resolver>([
    ["hydra", counted("hydra", 1, 1, (args, site) => read(hydra, textArgument("hydra", args), site))],
    ["now", () => lost("tells the time at which the run began")],
    ["python_version", () => lost("tells the version of the Python that ran the app")],
  ]);
}

/** Hydra's values beside the app's config, which they may refer to. */
export function besideConfig(config: ConfigNode, hydra: MappingNode): MappingNode {
  const root = config instanceof MappingNode ? (copyOf(config) as MappingNode) : new MappingNode(undefined);
  root.set("hydra", hydra);
  return hydra;
}

function read(hydra: MappingNode | undefined, key: string, { resolution }: Parameters<Resolver>[1]) {
  if (hydra === undefined) return lost("reads a value of Hydra's own");
  try {
    const found = select(resolution, hydra, key.startsWith(".") ? key : `.${key}`, { throwOnMissing: false });
    return found === undefined || (found instanceof ScalarNode && found.isMissing) ? null : bareValue(found);
  } catch (error) {
    if (error instanceof NoContainer) return null;
    throw error;
  }
}

function lost(what: string): never {
  throw unknown("resolver", `${what}, which is not known here`, "Nothing needs to be done: its text stays.");
}
