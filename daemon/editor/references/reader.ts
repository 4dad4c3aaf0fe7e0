import type { SyntaxNode, TreeCursor } from "@lezer/common";
import { lineStart } from "./cut.ts";
import type {
  Assignment,
  Call,
  CallValue,
  Facts,
  ImportedName,
  InnerScope,
  LooseString,
  Pin,
  TextValue,
  Value,
} from "./facts.ts";
import { attributeOf, OTHER } from "./facts.ts";
import { looseKind, MOST_STRINGS, pinIn } from "./forms.ts";
import { mentionsOf } from "./mentions.ts";
import { mayMatter } from "./parameters.ts";
import type { Visitor } from "./walking.ts";

const LONGEST_PATH = 200;
const PATH = /^[\p{L}\p{N}_$#]+(?:\.[\p{L}\p{N}_$#]+)*$/u;
/** How deep expressions are read. */
export const DEEPEST = 8;
/** Of arguments, of items of a list, and of names that are assigned at once. */
const MOST_CHILDREN = 200;

/** Reads the facts of one statement; what Python and TypeScript have in common. */
export abstract class Reader implements Visitor {
  protected readonly text: string;
  protected scope = 0;
  readonly #imports: ImportedName[] = [];
  readonly #assignments: Assignment[] = [];
  readonly #calls: Call[] = [];
  readonly #strings: LooseString[] = [];
  readonly #pins: Pin[] = [];
  readonly #scopes: InnerScope[] = [{ parent: -1, ofClass: false }];

  constructor(text: string) {
    this.text = text;
  }

  get facts(): Facts {
    return {
      imports: kept(this.#imports),
      assignments: kept(this.#assignments),
      calls: kept(this.#calls),
      strings: kept(this.#strings),
      pins: kept(this.#pins),
      mentions: kept(mentionsOf(this.#calls, this.#assignments)),
      scopes: this.#scopes.length === 1 ? OWN_ONLY : this.#scopes,
    };
  }

  abstract enter(node: TreeCursor): boolean;
  abstract leave(node: TreeCursor): void;
  /** What a call is given. */
  protected abstract args(list: SyntaxNode, depth: number): Pick<CallValue, "positional" | "named">;
  /** Of a kind of node that is particular to the language. */
  protected abstract ownValue(node: SyntaxNode, depth: number): Value;

  protected valueOf(node: SyntaxNode | null, depth = 0): Value {
    if (node === null || depth > DEEPEST) return OTHER;
    switch (node.name) {
      case "VariableName":
      case "this":
        return this.#named(node);
      case "MemberExpression":
        return this.#named(node);
      case "CallExpression":
        return this.callOf(node, depth) ?? OTHER;
      case "ParenthesizedExpression":
      case "AwaitExpression":
        return this.valueOf(node.firstChild?.nextSibling ?? null, depth + 1);
      case "ArrayExpression":
      case "TupleExpression":
      case "SetExpression":
        return this.listOf(node, depth);
      case "Number":
        return { kind: "literal", text: this.slice(node) };
      default:
        return this.ownValue(node, depth);
    }
  }

  /** A call by a name; undefined for one of a computed function. */
  protected callOf(node: SyntaxNode, depth = 0): CallValue | undefined {
    const callee = node.firstChild;
    const list = node.lastChild;
    if (callee === null || list?.name !== "ArgList") return undefined;
    const named = callee.name === "MemberExpression" ? callee.lastChild : callee;
    if (named === null || !/^(?:VariableName|PropertyName)$/.test(named.name)) return undefined;
    const name = this.slice(named);
    // What such a call is given tells nothing.
    const args =
      mayMatter(name) || name === "Path" || name === "require" ? this.args(list, depth + 1) : NOTHING;
    const receiver = callee === named ? undefined : this.valueOf(callee.firstChild, depth + 1);
    return { kind: "call", name, receiver, ...args, span: { from: callee.from, to: callee.to } };
  }

  protected slice(node: { readonly from: number; readonly to: number }): string {
    return this.text.slice(node.from, node.to);
  }

  protected readCall(node: SyntaxNode): void {
    const callee = node.firstChild;
    const named = callee?.name === "MemberExpression" ? callee.lastChild : callee;
    if (!named || named.to - named.from > 32 || !mayMatter(this.slice(named))) return;
    const call = this.callOf(node);
    if (call !== undefined) this.#calls.push({ call, scope: this.scope });
  }

  protected assign(path: string, value: Value, at: number): void {
    this.#assignments.push({ path, attribute: attributeOf(path), value, at, scope: this.scope });
  }

  protected importName(name: string, module: string): void {
    this.#imports.push({ name, module });
  }

  protected looseString(value: TextValue | undefined): void {
    if (!value?.closed || this.#strings.length >= MOST_STRINGS) return;
    const kind = looseKind(value.text);
    if (kind !== undefined) this.#strings.push({ text: value.text, span: value.span, kind });
  }

  protected comment(node: { readonly from: number; readonly to: number }): void {
    const from = Math.max(node.from, node.to - LONGEST_PATH);
    const text = pinIn(this.slice({ from, to: node.to }));
    if (text === undefined) return;
    const lineFrom = lineStart(this.text, node.from);
    this.#pins.push({ text, lineFrom, at: node.from });
  }

  protected openScope(ofClass = false): void {
    this.scope = this.#scopes.push({ parent: this.scope, ofClass }) - 1;
  }

  protected closeScope(): void {
    this.scope = Math.max(0, this.#scopes[this.scope]?.parent ?? 0);
  }

  /** Names with dots, as they are written without spaces and signs that only tell of null. */
  protected pathOf(node: SyntaxNode): string | undefined {
    if (node.to - node.from > LONGEST_PATH) return undefined;
    const path = this.slice(node).replace(/[\s?!]+/g, "");
    return PATH.test(path) ? path : undefined;
  }

  protected *children(node: SyntaxNode): Generator<SyntaxNode> {
    let child = node.firstChild;
    for (let count = 0; child !== null && count < MOST_CHILDREN; count += 1) {
      yield child;
      child = child.nextSibling;
    }
  }

  #named(node: SyntaxNode): Value {
    const path = this.pathOf(node);
    return path === undefined ? OTHER : { kind: "name", path };
  }

  protected listOf(node: SyntaxNode, depth: number): Value {
    const items: Value[] = [];
    for (const child of this.children(node)) {
      if (!/^[[\](){},]$/.test(child.name)) items.push(this.valueOf(child, depth + 1));
    }
    return { kind: "list", items };
  }
}

const NOTHING = { positional: [], named: [] } as const;
const NONE: readonly never[] = [];
const OWN_ONLY: readonly InnerScope[] = [{ parent: -1, ofClass: false }];

/** Most lists are empty: statements share one, which is quicker to go through and takes no space. */
function kept<T>(items: readonly T[]): readonly T[] {
  return items.length === 0 ? NONE : items;
}
