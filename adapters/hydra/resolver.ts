/** The seam for resolvers: what `${name:arg}` calls, and what it is given. */
import { type ConfigNode, type ContainerNode, ScalarNode } from "./nodes.ts";
import type { Resolution } from "./resolving.ts";
import type { Plain } from "./values.ts";

/** What an expression gives: a node of a config that is no interpolation, or a value that is no node. */
export type Found = ConfigNode | Plain;

/** Where a resolver is called. */
export interface CallSite {
  readonly resolution: Resolution;
  /** The value with the interpolation. */
  readonly node: ScalarNode;
  /** The container around it. */
  readonly parent: ContainerNode;
}

/** What `${name:arg,arg}` calls. An argument is a container of the config or a plain value. Throws Unresolved. */
export type Resolver = (args: readonly Found[], site: CallSite) => Found;

/** The resolvers of a config, by their full names. */
export type Resolvers = ReadonlyMap<string, Resolver>;

/** The value of a scalar node; all else as it is. */
export function bareValue(found: Found): Found {
  return found instanceof ScalarNode ? found.value : found;
}
