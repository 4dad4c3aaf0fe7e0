/** The tree of a config, as OmegaConf keeps it: aliases and merges are copies, so that every node has one place. */
import { atomRepr } from "./python-text.ts";
import { type Atom, identityOf, type KeyAtom } from "./values.ts";

/** A stretch of the text, in UTF-16 code units from its start; `end` is not included. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where a node comes from in the text. */
export interface Place {
  readonly key: Span | undefined;
  readonly value: Span;
  /** False for a copy that an alias or a merge brought in; its span is the alias's. */
  readonly own: boolean;
}

export type ConfigNode = ScalarNode | MappingNode | SequenceNode;
export type ContainerNode = MappingNode | SequenceNode;

/** A value that must still be given. */
const MISSING = "???";

abstract class Placed {
  /** Undefined for the root, and for what a resolver made before it is put somewhere. */
  parent: ContainerNode | undefined;
  /** Key in the parent; the index, of an item. */
  key: KeyAtom | undefined;
  /** Undefined for what stands in no text. */
  readonly place: Place | undefined;

  constructor(place: Place | undefined) {
    this.place = place;
  }
}

export class ScalarNode extends Placed {
  readonly value: Atom;

  constructor(value: Atom, place?: Place) {
    super(place);
    this.value = value;
  }

  get isMissing(): boolean {
    return this.value === MISSING;
  }

  /** OmegaConf's rule: whoever holds `${`, even escaped. */
  get isInterpolation(): boolean {
    return typeof this.value === "string" && this.value.includes("${");
  }
}

/** An entry of a mapping. */
export interface Entry {
  readonly key: KeyAtom;
  readonly node: ConfigNode;
}

export class MappingNode extends Placed {
  readonly entries = new Map<string, Entry>();

  /** Puts a node at a key. What stood there goes, its order stays, as in a Python dict. */
  set(key: KeyAtom, node: ConfigNode): void {
    const identity = identityOf(key);
    const before = this.entries.get(identity);
    node.parent = this;
    node.key = before?.key ?? key;
    this.entries.set(identity, { key: node.key, node });
  }

  /** The node at a text key; `"1"` does not find 1. */
  get(key: string): ConfigNode | undefined {
    return this.entries.get(identityOf(key))?.node;
  }
}

export class SequenceNode extends Placed {
  readonly items: ConfigNode[] = [];

  push(node: ConfigNode): void {
    node.parent = this;
    node.key = BigInt(this.items.length);
    this.items.push(node);
  }
}

const PLAIN_KEY = /^[^\s.[\]"'{}]+$/u;
/** Longest path that is told. */
const MAX_PATH = 300;

/** The path of a node: `model.layers[0]._target_`; empty for a root. */
export function pathOf(node: ConfigNode): string {
  const steps: ConfigNode[] = [];
  for (let at: ConfigNode = node; at.parent !== undefined; at = at.parent) steps.push(at);
  return steps.reduceRight(
    (path, { parent, key = "" }) => childPath(path, key, parent instanceof SequenceNode),
    "",
  );
}

/** The path of what stands at a key of the container with this path. A long one is cut. */
export function childPath(path: string, key: KeyAtom, isItem = false): string {
  if (path.length > MAX_PATH) return path;
  const text = typeof key === "string" ? key : atomRepr(key);
  if (isItem) return `${path}[${text}]`;
  if (!PLAIN_KEY.test(text)) return `${path}[${JSON.stringify(text)}]`;
  const longer = path === "" ? text : `${path}.${text}`;
  return longer.length > MAX_PATH ? `${longer.slice(0, MAX_PATH)}...` : longer;
}

/** The outermost container around a node. */
export function rootOf(node: ConfigNode): ConfigNode {
  let at = node;
  while (at.parent !== undefined) at = at.parent;
  return at;
}

/** A copy without places, for another tree. */
export function copyOf(node: ConfigNode): ConfigNode {
  if (node instanceof ScalarNode) return new ScalarNode(node.value);
  if (node instanceof SequenceNode) {
    const copy = new SequenceNode(undefined);
    for (const item of node.items) copy.push(copyOf(item));
    return copy;
  }
  const copy = new MappingNode(undefined);
  for (const { key, node: value } of node.entries.values()) copy.set(key, copyOf(value));
  return copy;
}
