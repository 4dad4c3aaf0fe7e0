import { refused } from "./faults.ts";
import { type Allowance, MAX_DEPTH } from "./limits.ts";
import { type ConfigNode, MappingNode, ScalarNode, SequenceNode } from "./nodes.ts";
import { isDict, type Plain } from "./values.ts";

/** A config of plain values; texts in them may be interpolations. Throws Unresolved, LimitPassed. */
export function configOf(value: Plain, allowance: Allowance, depth = 0): ConfigNode {
  allowance.node();
  if (depth > MAX_DEPTH) throw refused("makes a config that is nested too deep", "Flatten it.");
  if (value === null || typeof value !== "object") return new ScalarNode(value);
  if (!isDict(value)) {
    const sequence = new SequenceNode(undefined);
    for (const item of value) sequence.push(configOf(item, allowance, depth + 1));
    return sequence;
  }
  const mapping = new MappingNode(undefined);
  for (const [key, entry] of value.values()) {
    if (key === null) throw refused("makes a config with a key that is null", "Use a text as the key.");
    mapping.set(key, configOf(entry, allowance, depth + 1));
  }
  return mapping;
}
