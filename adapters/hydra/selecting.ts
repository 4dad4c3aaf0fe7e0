/** Finds nodes by keys such as `a.b[0]`, `.sibling`, `..up`. Source: Container._select_impl of OmegaConf 2.3. */
import { refused, Unresolved } from "./faults.ts";
import {
  type ConfigNode,
  type ContainerNode,
  MappingNode,
  pathOf,
  rootOf,
  ScalarNode,
  SequenceNode,
} from "./nodes.ts";
import type { Found } from "./resolver.ts";
import type { Resolution } from "./resolving.ts";

/** What a selection does where it meets `???`. */
export interface SelectOptions {
  readonly throwOnMissing: boolean;
}

/** A key leads through a value that holds no others. */
export class NoContainer extends Unresolved {}

/**
 * The value at a key, seen from a container, resolved; undefined for none. Throws NoContainer, Unresolved.
 */
export function select(
  resolution: Resolution,
  from: ContainerNode,
  key: string,
  { throwOnMissing }: SelectOptions,
): Found | undefined {
  const { start, rest } = startOf(from, key);
  if (rest === "") return start;
  const steps = stepsOf(rest);
  let at: ConfigNode = start;
  for (const [index, step] of steps.entries()) {
    const child = childOf(at as ContainerNode, step, key);
    if (child === undefined) return undefined;
    if (child instanceof ScalarNode && child.isMissing && throwOnMissing) {
      const what = `points to \`${key}\`, and \`${pathOf(child)}\` is \`???\``;
      throw refused(what, `Give \`${pathOf(child)}\` a value.`);
    }
    const found = resolution.resolved(child);
    if (index === steps.length - 1) return found;
    if (!isContainer(found)) {
      const through = steps.slice(0, index + 1).join(".");
      throw new NoContainer(
        refused(
          `points to \`${key}\`, but \`${through}\` holds no \`${steps[index + 1]}\`: it is a single value`,
          "Correct the key.",
        ),
      );
    }
    at = found;
  }
  return undefined;
}

/** Where a key begins: at the root, or for each leading dot but one a container further out. */
function startOf(from: ContainerNode, key: string): { readonly start: ContainerNode; readonly rest: string } {
  if (!key.startsWith(".")) return { start: rootOf(from) as ContainerNode, rest: key };
  const dots = /^\.*/.exec(key)?.[0].length ?? 0;
  let start = from;
  for (let level = 1; level < dots; level++) {
    if (start.parent === undefined) {
      throw refused(`points to \`${key}\`, which is outside of the config`, "Use fewer leading dots.");
    }
    start = start.parent;
  }
  return { start, rest: key.slice(dots) };
}

function childOf(container: ContainerNode, step: string, key: string): ConfigNode | undefined {
  if (container instanceof MappingNode) return container.get(step);
  // What Python's int() takes.
  const digits = /^\s*([+-]?)([0-9]+(?:_[0-9]+)*)\s*$/.exec(step);
  if (digits === null) {
    throw refused(`points to \`${key}\`, but \`${step}\` is no index of a list`, "Use a number, from 0.");
  }
  const index = Number(digits[2]?.replaceAll("_", ""));
  return digits[1] === "-" && index > 0 ? undefined : container.items[index];
}

/** The keys of a path, by OmegaConf's `split_key`: `a.b`, `a[b]` and `[a].b` give a and b. */
function stepsOf(key: string): string[] {
  const head = /^\.*[^.[]*/.exec(key)?.[0] ?? "";
  const steps = head.split(".");
  if (key[head.length] === "[" && steps.at(-1) === "") steps.pop();
  for (const [, dotted, bracketed] of key.slice(head.length).matchAll(/\.([^.[]*)|\[(.*?)\]/g)) {
    steps.push(dotted === undefined || dotted === "" ? (bracketed ?? "") : dotted);
  }
  return steps;
}

export function isContainer(found: Found): found is ContainerNode {
  return found instanceof MappingNode || found instanceof SequenceNode;
}
