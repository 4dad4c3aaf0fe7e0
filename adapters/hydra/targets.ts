/** Checks what Hydra's `instantiate` reads: `_target_`, `_args_`, `_partial_`, `_recursive_`, `_convert_`. */
import { Unresolved } from "./faults.ts";
import { type ConfigNode, MappingNode, pathOf, ScalarNode, SequenceNode } from "./nodes.ts";
import { type Findings, quoted } from "./problems.ts";
import { bareValue, type Found } from "./resolver.ts";
import type { Resolution } from "./resolving.ts";
import { isDict } from "./values.ts";

const MODES = ["none", "partial", "object", "all"];
/** A dotted path of two names or more. */
const TARGET = /^[^\s./\\:]+(?:\.[^\s./\\:]+)+$/u;

const CHECKS: {
  readonly [key: string]: { readonly fits: (value: Found) => boolean; readonly wanted: string };
} = {
  _target_: {
    fits: (value) => typeof value === "string" && TARGET.test(value),
    wanted: "a dotted path of a class or function, such as `package.module.Class`",
  },
  _args_: {
    fits: (value) => value instanceof SequenceNode || Array.isArray(value),
    wanted: "a list",
  },
  _partial_: { fits: (value) => typeof value === "boolean", wanted: "true or false" },
  _recursive_: { fits: (value) => typeof value === "boolean", wanted: "true or false" },
  _convert_: {
    fits: (value) => typeof value === "string" && MODES.includes(value),
    wanted: `one of ${MODES.join(", ")}`,
  },
};

/** The `_target_` of a mapping, resolved; empty for none, or one that is no text. */
export function targetOf(node: MappingNode, resolution: Resolution): string {
  const value = valueAt(node, "_target_", resolution);
  return typeof value === "string" && value !== "???" ? value : "";
}

/** Tells what `instantiate` would refuse in a tree. */
export function checkTargets(node: ConfigNode, resolution: Resolution, findings: Findings): void {
  if (node instanceof SequenceNode) {
    for (const item of node.items) checkTargets(item, resolution, findings);
  }
  if (!(node instanceof MappingNode)) return;
  if (node.get("_target_") !== undefined) checkMapping(node, resolution, findings);
  for (const { node: child } of node.entries.values()) checkTargets(child, resolution, findings);
}

function checkMapping(node: MappingNode, resolution: Resolution, findings: Findings): void {
  for (const [key, { fits, wanted }] of Object.entries(CHECKS)) {
    const child = node.get(key);
    const value = valueAt(node, key, resolution);
    if (child === undefined || value === undefined || value === "???" || fits(value)) continue;
    findings.add({
      code: "target",
      path: pathOf(child),
      message: `${quoted(pathOf(child))} is ${described(value)}, not ${wanted}.`,
      mend: `Write ${wanted}.`,
      span: child.place?.value ?? { start: 0, end: 0 },
      isError: true,
    });
  }
}

/** Undefined for none, and for what cannot be resolved, which is told elsewhere. */
function valueAt(node: MappingNode, key: string, resolution: Resolution): Found | undefined {
  const child = node.get(key);
  if (child === undefined) return undefined;
  try {
    return bareValue(resolution.resolved(child));
  } catch (error) {
    if (error instanceof Unresolved) return undefined;
    throw error;
  }
}

/** Says of what kind a value is; its text only where it stands in the config itself. */
function described(value: Found): string {
  if (value === null) return "null";
  if (typeof value === "object") {
    return value instanceof MappingNode ||
      (!(value instanceof ScalarNode) && !Array.isArray(value) && isDict(value as never))
      ? "a mapping"
      : "a list";
  }
  if (typeof value === "string") return `the text ${JSON.stringify(value.slice(0, 100))}`;
  return String(value);
}
