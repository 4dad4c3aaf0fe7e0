/**
 * `<<`: entries that a mapping takes over from others. Its own win; of several sources in a list the first wins, as YAML
 * has it. (PyYAML 6.0.4 lets that depend on whether a key has one letter.)
 */
import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, type Scalar, type YAMLMap } from "yaml";
import { childPath, type Entry, ScalarNode, type Span } from "./nodes.ts";
import type { Reader, Spot } from "./reader.ts";
import type { KeyAtom } from "./values.ts";

/** The entries of a mapping in the order in which they count, the later ones winning. Throws LimitPassed. */
export function mergedEntries(reader: Reader, mapping: YAMLMap, spot: Spot): Entry[] {
  reader.allowance.node();
  const merged: Entry[] = [];
  const own: Entry[] = [];
  const texts = new Set<KeyAtom>();
  const flow = spot.flow || mapping.flow === true;
  for (const { key: keyNode, value } of mapping.items as Pair<Node | null, Node | null>[]) {
    if (isMergeKey(keyNode)) {
      merged.push(...sources(reader, value, spot).flat());
      continue;
    }
    const keySpan = spot.copyAt ?? reader.span(keyNode);
    const known = keyNode === null ? undefined : reader.keyOf(keyNode, { ...spot, flow });
    if (known === undefined) {
      if (keyNode === null)
        reader.wrong("key", spot.path, "has a key that is null", "Name the key.", keySpan);
      continue;
    }
    const path = childPath(spot.path, known.key);
    if (known.isText && texts.has(known.key)) {
      reader.wrong("duplicate_key", path, "stands twice in its mapping", "Keep one of the two.", keySpan);
    }
    texts.add(known.key);
    const childSpot = { ...spot, path, flow, depth: spot.depth + 1 };
    own.push({ key: known.key, node: entryNode(reader, value, childSpot, keySpan) });
  }
  return [...merged, ...own];
}

function entryNode(reader: Reader, value: Node | null, spot: Spot, key: Span): Entry["node"] {
  if (value !== null) return reader.node(value, spot, key);
  const at = spot.copyAt ?? { start: key.end, end: key.end };
  return new ScalarNode(null, { key, value: at, own: spot.copyAt === undefined });
}

function isMergeKey(node: Node | null): boolean {
  const scalar = node as Scalar | null;
  return isScalar(scalar) && scalar.value === "<<" && scalar.type === "PLAIN" && scalar.tag === undefined;
}

/** The entries of what stands behind `<<`, those of the first source last. */
function sources(reader: Reader, value: Node | null, spot: Spot): Entry[][] {
  const at = spot.copyAt ?? reader.span(value);
  const node = isAlias(value) ? reader.target(value, spot.path, at) : value;
  if (isMap(node)) return [mergedEntries(reader, node, { ...spot, copyAt: at })];
  if (isSeq(node)) {
    const maps = node.items.map((item) => (isAlias(item) ? reader.target(item, spot.path, at) : item));
    if (maps.every((item) => isMap(item))) {
      return maps.map((item) => mergedEntries(reader, item as YAMLMap, { ...spot, copyAt: at })).reverse();
    }
  }
  if (node !== undefined) {
    const mend = "Merge a mapping, or a list of mappings.";
    reader.wrong("merge", spot.path, "merges something that is no mapping", mend, at);
  }
  return [];
}
