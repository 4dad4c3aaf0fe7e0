/** Checks Hydra's defaults list: that each config that it names lies beside it. Source of the grammar: Hydra 1.3, "The Defaults List". */
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type ConfigNode, nearestName } from "@pipekit/proto";
import type { ConfigFinding } from "./finding.ts";

const ITEM = /^defaults\[\d+\]$/;
const GROUP_ITEM = /^defaults\[\d+\]\.(.+)$/;
/** Plain names of configs and groups: what is interpolated, absolute or from a package is left to Hydra. */
const PLAIN = /^[\w-]+(\/[\w-]+)*$/;

/**
 * Tells which configs of the defaults list of the file at `path` are not there. Silent where other folders are searched
 * too (`hydra.searchpath`), about groups that have no folder here (they may come from a plugin), and about optional items.
 */
export async function checkDefaults(
  nodes: readonly ConfigNode[],
  path: string | undefined,
  signal: AbortSignal,
): Promise<ConfigFinding[]> {
  if (path === undefined || nodes.some((node) => node.path.startsWith("hydra.searchpath"))) return [];
  const findings: ConfigFinding[] = [];
  for (const node of nodes) {
    signal.throwIfAborted();
    const wanted = wantedBy(node);
    if (wanted === undefined) continue;
    const folder = join(dirname(path), wanted.group);
    const options = await configsIn(folder);
    if (options === undefined || options.includes(wanted.name)) continue;
    const near = nearestName(wanted.name, options);
    const meant = near === undefined ? "" : ` Did you mean \`${near}\`?`;
    findings.push({
      code: "unknown_default",
      message: `There is no ${join(wanted.group, `${wanted.name}.yaml`)} beside this config.${meant}`,
      range: node.value,
      severity: "warning",
      replaceBy: near,
    });
  }
  return findings;
}

/** The group's folder and the config's name that an item of the list asks for. */
function wantedBy({ path, resolvedJson }: ConfigNode): { group: string; name: string } | undefined {
  if (!resolvedJson.startsWith('"')) return undefined;
  const value = String(JSON.parse(resolvedJson));
  if (ITEM.test(path)) {
    if (value === "_self_" || !PLAIN.test(value)) return undefined;
    const cut = value.lastIndexOf("/") + 1;
    return { group: value.slice(0, cut), name: value.slice(cut) };
  }
  // The path quotes keys that are no plain names, such as `override hydra/launcher`: those are left to Hydra.
  const group = GROUP_ITEM.exec(path)?.[1];
  if (group === undefined || !PLAIN.test(group) || !PLAIN.test(value)) return undefined;
  return { group, name: value };
}

async function configsIn(folder: string): Promise<string[] | undefined> {
  const names = await readdir(folder).catch(() => undefined);
  return names?.flatMap((name) => /^(.*)\.ya?ml$/.exec(name)?.[1] ?? []);
}
