import type { SyntaxNode, TreeCursor } from "@lezer/common";
import { lineStart } from "./cut.ts";
import { type CallValue, type Entry, type LooseString, lastName, type Pin, type TextValue } from "./facts.ts";
import { looseKind, MOST_STRINGS, pinIn } from "./forms.ts";
import type { Slot } from "./reference.ts";
import { specOf } from "./registry-spec.ts";
import type { Visitor } from "./walking.ts";
import { keyOf, scalarOf, valueIn } from "./yaml-scalars.ts";

/** A scalar under a key that says what it names. */
export interface KeyedString extends TextValue {
  /** Such as `model` for the key `ref`. */
  readonly names: Slot["kind"];
  readonly key: string;
  /** What the key `registry` beside it says. */
  readonly registry: string | undefined;
  /** It stands in the outermost mapping, whose other entries are other statements. */
  readonly outermost: boolean;
}

export interface YamlFacts {
  readonly keyed: readonly KeyedString[];
  readonly strings: readonly LooseString[];
  readonly pins: readonly Pin[];
  /** Of the outermost mapping. */
  readonly registry: string | undefined;
  /** Something of this project is named. */
  readonly ours: boolean;
  readonly beginsDocument: boolean;
}

const KEYS: ReadonlyMap<string, Slot["kind"]> = new Map([
  ["ref", "model"],
  ["model", "model"],
  ["model_ref", "model"],
  ["model_tag", "model"],
  ["registry_ref", "model"],
  ["resume_from", "model"],
  ["trained_model_hash", "model"],
  ["tag", "tag"],
  ["run_id", "run"],
  ["tracker_run_id", "run"],
  ["registry", "registry"],
  ["model_registry_uri", "registry"],
  ["sinks", "sink"],
]);
const OURS = /pipekit|^ModelRef$/;
const SPEC = /^(?:local:|s3:\/\/|mlflow\+https?:\/\/|\/)/;
const WORDS = /^(?:true|false|yes|no|on|off|null|none)$/i;
const MOST_SIBLINGS = 64;
const LONGEST_COMMENT = 200;

/** Reads YAML. */
export class YamlReader implements Visitor {
  readonly #text: string;
  readonly #keyed: KeyedString[] = [];
  readonly #strings: LooseString[] = [];
  readonly #pins: Pin[] = [];
  #registry: string | undefined;
  #ours = false;

  constructor(text: string) {
    this.#text = text;
  }

  get facts(): YamlFacts {
    return {
      keyed: this.#keyed,
      strings: this.#strings,
      pins: this.#pins,
      registry: this.#registry,
      ours: this.#ours,
      beginsDocument: this.#text.startsWith("---"),
    };
  }

  enter(node: TreeCursor): boolean {
    switch (node.name) {
      case "Key":
        return false;
      case "Pair":
        this.#readPair(node.node);
        return true;
      case "Literal":
      case "QuotedLiteral":
      case "BlockLiteral":
        this.#readScalar(scalarOf(this.#text, node.node));
        return false;
      case "Comment":
        this.#readComment(node);
        return false;
      default:
        return true;
    }
  }

  leave(): void {}

  #readScalar(value: TextValue | undefined): void {
    if (value === undefined) return;
    this.#ours ||= OURS.test(value.text);
    if (this.#strings.length >= MOST_STRINGS || !value.closed || WORDS.test(value.text)) return;
    const kind = looseKind(value.text);
    if (kind !== undefined) this.#strings.push({ text: value.text, span: value.span, kind });
  }

  #readComment(node: TreeCursor): void {
    if (node.to - node.from > LONGEST_COMMENT) return;
    const text = pinIn(this.#text.slice(node.from, node.to));
    if (text !== undefined)
      this.#pins.push({ text, lineFrom: lineStart(this.#text, node.from), at: node.from });
  }

  #readPair(pair: SyntaxNode): void {
    const key = keyOf(this.#text, pair);
    const names = KEYS.get(key);
    if (names === undefined) return;
    const outermost = pair.parent?.name === "BlockMapping" && pair.parent.parent?.name === "Document";
    const value = valueIn(pair);
    if (outermost && key === "registry") this.#registry = this.#specOf(value);
    const registry = names === "registry" ? undefined : this.#siblingRegistry(pair);
    for (const scalar of this.#scalarsOf(pair, value)) {
      if (!scalar.text.includes("${")) this.#keyed.push({ ...scalar, names, key, registry, outermost });
    }
  }

  #scalarsOf(pair: SyntaxNode, value: SyntaxNode | undefined): TextValue[] {
    if (value === undefined) return this.#absent(pair);
    const items = /Sequence$/.test(value.name) ? value.getChildren("Item").slice(0, MOST_SIBLINGS) : [value];
    return items
      .map((item) => (item.name === "Item" ? inner(item) : item))
      .flatMap((item) => (item && scalarOf(this.#text, item)) ?? []);
  }

  /** Where a value would stand: at the end of the spaces behind the colon. */
  #absent(pair: SyntaxNode): TextValue[] {
    const colon = pair.getChild(":");
    if (colon === null) return [];
    let at = colon.to;
    while (this.#text.charAt(at) === " ") at += 1;
    return at === colon.to ? [] : [{ kind: "text", text: "", span: { from: at, to: at }, closed: true }];
  }

  #siblingRegistry(pair: SyntaxNode): string | undefined {
    let sibling = pair.parent?.firstChild ?? null;
    for (let count = 0; sibling !== null && count < MOST_SIBLINGS; count += 1) {
      if (sibling.name === "Pair" && keyOf(this.#text, sibling) === "registry")
        return this.#specOf(valueIn(sibling));
      sibling = sibling.nextSibling;
    }
    return undefined;
  }

  /** A spec, or a registry as Hydra writes one: `{_target_: pipekit_experiment.LocalModelRegistry, root: /srv}`. */
  #specOf(value: SyntaxNode | undefined): string | undefined {
    if (value === undefined) return undefined;
    if (!/Mapping$/.test(value.name)) {
      const text = scalarOf(this.#text, value)?.text;
      return text === "" || (text !== undefined && SPEC.test(text)) ? text : undefined;
    }
    const named: Entry[] = value
      .getChildren("Pair")
      .slice(0, MOST_SIBLINGS)
      .map((pair) => {
        const found = valueIn(pair);
        return [keyOf(this.#text, pair), (found && scalarOf(this.#text, found)) ?? { kind: "other" }];
      });
    const target = named.find(([key]) => key === "_target_")?.[1];
    if (target?.kind !== "text") return undefined;
    const call: CallValue = {
      kind: "call",
      name: lastName(target.text),
      receiver: undefined,
      positional: [],
      named,
      span: target.span,
    };
    return specOf(call, (one) => (one.kind === "text" && one.text === "null" ? { kind: "none" } : one));
  }
}

function inner(item: SyntaxNode): SyntaxNode | undefined {
  return item.firstChild ?? undefined;
}
