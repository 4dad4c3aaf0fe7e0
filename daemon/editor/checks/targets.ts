/** Finds what a config names in Python, and tells what is not there. */
import type { ConfigNode } from "@pipekit/proto";
import { isState } from "./config-kind.ts";
import type { ConfigFinding } from "./finding.ts";
import type { Found, ModuleFinder } from "./python/finder.ts";

/** A dotted path of two names or more; anything else is told by the parser of the config. */
const DOTTED = /^[\p{L}_][\p{L}\p{N}_]*(\.[\p{L}_][\p{L}\p{N}_]*)+$/u;
const NAME = /^[\p{L}_][\p{L}\p{N}_.]*$/u;
/** Targets of one file that are looked for. */
const MOST_TARGETS = 2000;

interface Named {
  /** The whole path, module and name. */
  readonly path: string;
  /** Where the module's name stands, where its class does; the same node for `_target_`. */
  readonly module: ConfigNode;
  readonly name: ConfigNode;
}

/** Looks for every `_target_` and every state's module and class. Throws only the signal's reason. */
export async function checkTargets(
  nodes: readonly ConfigNode[],
  finder: ModuleFinder,
  signal: AbortSignal,
): Promise<ConfigFinding[]> {
  const findings: ConfigFinding[] = [];
  const answers = new Map<string, Found>();
  for (const named of namesIn(nodes).slice(0, MOST_TARGETS)) {
    signal.throwIfAborted();
    const found = answers.get(named.path) ?? (await finder.find(named.path));
    answers.set(named.path, found);
    const finding = told(named, found);
    if (finding !== undefined) findings.push(finding);
  }
  return findings;
}

function namesIn(nodes: readonly ConfigNode[]): Named[] {
  const byPath = new Map(nodes.map((node) => [node.path, node]));
  const paths = new Set(byPath.keys());
  return nodes.flatMap((node) => {
    const value = textOf(node);
    if (/(^|\.)_target_$/.test(node.path)) {
      return value !== undefined && DOTTED.test(value) ? [{ path: value, module: node, name: node }] : [];
    }
    if (!isState(node.path, paths)) return [];
    const name = byPath.get(`${node.path.slice(0, -"module".length)}class`);
    const class_ = name === undefined ? undefined : textOf(name);
    if (value === undefined || name === undefined || class_ === undefined) return [];
    return NAME.test(value) && NAME.test(class_) ? [{ path: `${value}.${class_}`, module: node, name }] : [];
  });
}

function textOf({ resolvedJson }: ConfigNode): string | undefined {
  if (!resolvedJson.startsWith('"')) return undefined;
  const value: unknown = JSON.parse(resolvedJson);
  return typeof value === "string" ? value : undefined;
}

function told({ path, module, name }: Named, found: Found): ConfigFinding | undefined {
  if (!("module" in found)) return undefined;
  const isTarget = module === name;
  const near = found.near;
  const meant = near === undefined ? "" : ` Did you mean \`${near}\`?`;
  if (found.kind === "no-module") {
    const replacement = near === undefined ? undefined : replaced(path, found.module, near);
    return {
      code: "unknown_target",
      message: `There is no Python module \`${found.module}\` in the workspace or its environment.${meant}`,
      range: module.value,
      severity: "warning",
      replaceBy: isTarget ? replacement : withoutName(replacement),
    };
  }
  return {
    code: "unknown_target",
    message: `\`${found.module}\` defines no \`${found.name}\` (${found.file}).${meant}`,
    range: name.value,
    severity: "warning",
    replaceBy:
      near === undefined
        ? undefined
        : isTarget
          ? replaced(path, `${found.module}.${found.name}`, near)
          : near,
  };
}

/** The path with the last name of its beginning `wrong` written as `near`. */
function replaced(path: string, wrong: string, near: string): string {
  const upTo = wrong.lastIndexOf(".") + 1;
  return `${wrong.slice(0, upTo)}${near}${path.slice(wrong.length)}`;
}

function withoutName(path: string | undefined): string | undefined {
  return path?.slice(0, path.lastIndexOf("."));
}
