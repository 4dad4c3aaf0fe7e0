/** Turns the nodes of a YAML document into a config's. */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type ParsedNode,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import { Anchors } from "./anchors.ts";
import { atomOf, BINARY } from "./atoms.ts";
import { type Allowance, MAX_DEPTH } from "./limits.ts";
import { mergedEntries } from "./merging.ts";
import {
  type ConfigNode,
  childPath,
  MappingNode,
  type Place,
  ScalarNode,
  SequenceNode,
  type Span,
} from "./nodes.ts";
import { joinedPath, PATH_TAG } from "./path-tag.ts";
import { type Findings, quoted } from "./problems.ts";
import { WrongScalar } from "./scalars.ts";
import type { Atom, KeyAtom } from "./values.ts";

const COLLECTION_TAGS = ["tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "!"];

/** Where what is read now belongs. */
export interface Spot {
  readonly path: string;
  readonly depth: number;
  /** Within brackets or braces. */
  readonly flow: boolean;
  /** Of an alias or a merge: where it stands. */
  readonly copyAt: Span | undefined;
}

/** Turns the nodes of a document into a config's. */
export class Reader {
  readonly #findings: Findings;
  readonly allowance: Allowance;
  readonly #text: string;
  readonly #anchors = new Anchors(this);

  constructor(findings: Findings, allowance: Allowance, text: string) {
    this.#findings = findings;
    this.allowance = allowance;
    this.#text = text;
  }

  root({ contents }: Document.Parsed): MappingNode | SequenceNode {
    const whole = { start: 0, end: this.#text.length };
    const empty = new MappingNode({ key: undefined, value: whole, own: true });
    if (contents === null || (isScalar(contents) && contents.value === "" && contents.type === "PLAIN")) {
      return empty;
    }
    const root = this.node(contents, { path: "", depth: 0, flow: false, copyAt: undefined }, undefined);
    if (!(root instanceof ScalarNode)) return root;
    if (root.value !== null) {
      this.wrong(
        "root",
        "",
        "is a single value, not a mapping",
        "Write `key: value` lines.",
        this.span(contents),
      );
    }
    return empty;
  }

  /** Throws LimitPassed. */
  node(node: Node, spot: Spot, key: Span | undefined): ConfigNode {
    this.allowance.node();
    if (isAlias(node)) return this.#alias(node, spot, key);
    if (spot.copyAt === undefined) this.#anchors.add(node, spot.path);
    const place = { key, value: spot.copyAt ?? this.span(node), own: spot.copyAt === undefined };
    if (isScalar(node)) return this.#scalar(node, spot, place);
    if (spot.depth >= MAX_DEPTH) {
      this.wrong("limit", spot.path, `is nested deeper than ${MAX_DEPTH} levels`, "Flatten it.", place.value);
      return new ScalarNode(null, place);
    }
    this.#anchors.enter(node);
    const made = isMap(node)
      ? this.#mapping(node, spot, place)
      : isSeq(node)
        ? this.#sequence(node, spot, place)
        : new ScalarNode(null, place);
    this.#anchors.leave(node);
    return made;
  }

  /** What an alias leads to; undefined, and told, for one that leads nowhere or to itself. */
  target(node: Alias, path: string, at: Span): Node | undefined {
    return this.#anchors.target(node, path, at);
  }

  span(node: Node | null | undefined): Span {
    const [start = this.#text.length, end = start] = (node as ParsedNode | null | undefined)?.range ?? [];
    return { start, end };
  }

  wrong(code: string, path: string, what: string, mend: string, span: Span, isError = true): void {
    this.#findings.add({ code, path, message: `${quoted(path)} ${what}.`, mend, span, isError });
  }

  /** The value of a key; undefined, and told, for what no config can have as one. */
  keyOf(node: Node, spot: Spot): { readonly key: KeyAtom; readonly isText: boolean } | undefined {
    const at = spot.copyAt ?? this.span(node);
    const scalar = isAlias(node) ? this.target(node, spot.path, at) : node;
    if (!isAlias(node) && spot.copyAt === undefined) this.#anchors.add(node, spot.path);
    const mend = "Use a text, a number or a boolean as a key.";
    if (!isScalar(scalar)) {
      if (scalar !== undefined) this.wrong("key", spot.path, "has a key that is no single value", mend, at);
      return undefined;
    }
    const key = this.#atom(scalar, spot, at);
    if (key === undefined) return undefined;
    if (key === null) this.wrong("key", spot.path, "has a key that is null", mend, at);
    return key === null ? undefined : { key, isText: typeof key === "string" };
  }

  #alias(node: Alias, spot: Spot, key: Span | undefined): ConfigNode {
    const at = spot.copyAt ?? this.span(node);
    const target = this.target(node, spot.path, at);
    if (target === undefined) return new ScalarNode(null, { key, value: at, own: false });
    return this.node(target, { ...spot, copyAt: at }, key);
  }

  #scalar(node: Scalar, spot: Spot, place: Place): ScalarNode {
    return new ScalarNode(this.#atom(node, spot, place.value) ?? null, place);
  }

  /** Undefined, and told, for a scalar that no config can have. */
  #atom(node: Scalar, { path, flow, copyAt }: Spot, at: Span): Atom | undefined {
    try {
      if (node.tag === BINARY) {
        this.wrong(
          "tag",
          path,
          "is binary data, told as its base64 text",
          "Nothing needs to be done.",
          at,
          false,
        );
      }
      return atomOf(node, this.#text, flow && copyAt === undefined);
    } catch (error) {
      if (!(error instanceof WrongScalar)) throw error;
      this.wrong(error.code, path, error.message, "Write the value as YAML 1.1 has it, or in quotes.", at);
      return undefined;
    }
  }

  #mapping(node: YAMLMap, spot: Spot, place: Place): MappingNode {
    this.#checkTag(node, spot.path, place.value);
    const mapping = new MappingNode(place);
    for (const entry of mergedEntries(this, node, spot)) mapping.set(entry.key, entry.node);
    return mapping;
  }

  #sequence(node: YAMLSeq, spot: Spot, place: Place): SequenceNode | ScalarNode {
    if (PATH_TAG.test(node.tag ?? "")) {
      const parts = node.items.map((item) => (isScalar(item) ? String(item.value) : ""));
      return new ScalarNode(joinedPath(parts), place);
    }
    this.#checkTag(node, spot.path, place.value);
    const sequence = new SequenceNode(place);
    for (const [index, item] of node.items.entries()) {
      const path = childPath(spot.path, BigInt(index), true);
      const flow = spot.flow || node.flow === true;
      sequence.push(this.node(item as Node, { ...spot, path, flow, depth: spot.depth + 1 }, undefined));
    }
    return sequence;
  }

  #checkTag({ tag }: YAMLMap | YAMLSeq, path: string, at: Span): void {
    if (tag === undefined || COLLECTION_TAGS.includes(tag)) return;
    const what = `has the tag \`${tag.slice(0, 100)}\`, which configs cannot hold`;
    this.wrong("tag", path, what, "Take the tag away.", at);
  }
}
